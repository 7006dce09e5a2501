"""grep, sed, awk, find, xargs, sort, diff: text and trees."""

from __future__ import annotations

from tests.programs.case import Case, command, script, sorted_lines
from tests.programs.tables.files import TREE

LINES = """\
grep ERROR app.log
grep -c ERROR app.log
grep -n -i -A 1 -B 1 warn.*fork app.log
grep -v -e INFO -e WARN app.log
grep -E ^(ring|trap)[0-9]{2}$ words.txt
grep -P \\d{2}(?=:00) app.log
grep -F -x -f dir/a.txt words.txt
grep -o [0-9]* words.txt
grep -l alpha -r dir
grep -q nothing words.txt
grep x nosuch
grep -a alpha binary.bin
grep -z alpha dir/a.txt
grep -m 3 --color=always ring words.txt
grep -rn a dir --include=*.txt
egrep -h a dir/a.txt dir/b.txt
sed -n 5,10p words.txt
sed -e s/ring/RING/g -e /fork/d words.txt
sed -E s/([a-z]+)([0-9]+)/\\2\\1/ words.txt
sed $d table.csv
sed = dir/a.txt
sed -n /ERROR/{s/.*://;p} app.log
sed --debug -n 1p dir/a.txt
sed y/abc/xyz/ dir/a.txt
awk {print$1,NF} app.log
awk -F, NR>1{s[$2]+=$3}END{for(k\\ in\\ s)print\\ k,s[k]|"sort"} table.csv
awk BEGIN{while((getline\\ l<"dir/a.txt")>0)print\\ l;"date\\ -u\\ -d\\ @0"|getline\\ d;print\\ d}
awk BEGIN{printf("%.3f\\ %s\\n",atan2(0,-1),substr("kernel",2,3))}
awk {print>FILENAME".copy"}END{close("x");system("ls")} dir/a.txt
gawk BEGIN{print\\ strftime("%Y",0,1),toupper("x"),length("abc")}
mawk {n[$3]++}END{print\\ n["INFO"],n["WARN"]} app.log
find dir -type f -name *.txt
find . -maxdepth 1 -size +2k
find dir -newer words.txt
find dir -empty -o -name .hidden
find dir -printf %P\\ %s\\ %m\\ %y\\n
find dir -type f -exec wc -c {} +
find dir -type d -exec echo {} ;
find dir -name *.dat -delete -print
find dir -perm -u=r -links 1 -user root
find nosuch
find dir -path *sub* -prune -o -type f -print
find -L dir -xtype f
find dir -regex .*/[ab]\\.txt
diff words.txt numbers.txt
diff -u dir/a.txt dir/b.txt
diff -r dir dir/sub
diff -q words.txt empty
diff -y -W 60 dir/a.txt dir/b.txt
diff3 dir/a.txt dir/b.txt dir/sub/c.txt
cmp -l dir/a.txt dir/b.txt
sdiff -s dir/a.txt dir/b.txt
file -b words.txt
""".splitlines()

SCRIPTS = [
    ("xargs", "cat words.txt | xargs -n 50 echo | wc -l; seq 20 | xargs -P 4 -n 5 | sort; echo a b | xargs -I{} echo '<{}>'; seq 3 | xargs -n1 sh -c 'exit $0'; echo $?"),
    ("xargs -0", "find dir -type f -print0 | sort -z | xargs -0 ls -1; find dir -name '*.txt' -print0 | xargs -0 -P 3 -n 1 cat | sort"),
    ("xargs long", "seq 100000 | xargs echo | wc -lc; seq 1000 | xargs -s 500 echo | wc -l"),
    ("sed -i", "sed -i.bak s/alpha/ALPHA/ dir/a.txt; cat dir/a.txt dir/a.txt.bak; sed -i '1i first' dir/b.txt; cat dir/b.txt; stat -c %a dir/b.txt"),
    ("sed w and r", "sed -n '/ERROR/w errors' app.log; wc -l errors; sed '1r dir/a.txt' dir/b.txt; sed -s -n '$=' words.txt table.csv"),
    ("patch", "cp words.txt w2; sed -i 5d w2; diff -u words.txt w2 > p; patch -s words.txt < p && cmp words.txt w2 && echo same"),
    ("sort merge", "sort words.txt > s1; sort numbers.txt > s2; sort -m s1 s2 | md5sum; sort -c s1; sort -u -o s1 s1; wc -l s1; sort --files0-from=<(printf 's1\\0') | head -n 2"),
    ("sort in place of big", "seq 300000 | shuf --random-source=binary.bin -n 50000 | sort -n | md5sum"),
    ("grep in a pipe with early end", "seq 1000000 | grep -m 2 99; seq 1000000 | grep -q 5 && echo found"),
    ("awk pipes", "awk 'BEGIN { \"echo sub\" | getline x; print x; print \"b\\na\" | \"sort\"; close(\"sort\"); r = system(\"exit 3\"); print r }'"),
    ("awk with files", "awk -F, 'NR > 1 { print $3 > ($2 \".out\") }' table.csv; wc -l *.out; awk 'FNR == 1 { print FILENAME }' dir/*.txt"),
    ("find -execdir", "find dir -name '*.txt' -execdir sh -c 'echo $(basename $PWD) $1' _ {} \\; | sort; find . -type f | wc -l"),
    ("find deep", "mkdir -p $(printf 'd/%.0s' $(seq 60)); find . -type d | wc -l; rm -r d; ls"),
    ("find many", "mkdir m; seq 1500 | sed s,^,m/f, | xargs touch; find m -type f | wc -l; ls m | tail -n 1; rm -r m; ls -d m"),
    ("diff of processes", "diff <(sort words.txt) <(sort -u words.txt) | grep -c '^<'; comm -23 <(seq 10) <(seq 2 2 10)"),
]  # fmt: skip

CASES: list[Case] = [
    *(
        command(
            line,
            files=TREE,
            normalise=sorted_lines if line.startswith(("find", "grep -r", "grep -l")) else None,
        )
        for line in LINES
    ),
    *(script(f"text: {n}", t, files=TREE) for n, t in SCRIPTS),
]
