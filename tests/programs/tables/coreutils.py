"""A hundred invocations of coreutils (and a few more); stdout, stderr and exit status compared.

Each line is one case, split without a shell. What needs two commands to show its effect runs under
`sh` as a SEQUENCE.
"""

from __future__ import annotations

from tests.programs.case import Case, command
from tests.programs.tables.files import NUMBERS, TREE, WORDS

LINES = """\
true
false
echo -n one two
echo -e a\\tb\\x21
printf %05d|%-8s|%x\\n 42 left 255
printf %q\\n "two words"
yes --version
seq 1 3 20
seq -w 8 11
seq -f %.2f 0 0.25 1
cat words.txt
cat -A unicode.txt
cat -n dir/a.txt dir/b.txt
cat -s empty
cat nosuchfile
tac words.txt
nl -ba unicode.txt
rev unicode.txt
head -n 5 words.txt
head -c 100 binary.bin
head -n -390 words.txt
tail -n 5 words.txt
tail -n +395 words.txt
tail -c 20 unicode.txt
wc words.txt binary.bin empty
wc -L unicode.txt
sort words.txt
sort -n numbers.txt
sort -rnu numbers.txt
sort -t , -k 2,2 -k 3,3nr table.csv
sort -R --random-source=binary.bin words.txt
sort -c words.txt
uniq -c words.txt
comm -12 dir/a.txt dir/b.txt
join -t , -1 1 -2 1 table.csv table.csv
cut -d , -f 2 table.csv
cut -c 1-4 unicode.txt
paste -d : dir/a.txt dir/b.txt
paste -s words.txt
tr --help
fold -w 20 app.log
fmt -w 40 unicode.txt
pr -l 20 -h title dir/a.txt
expand -t 4 unicode.txt
unexpand -a unicode.txt
column -t -s , table.csv
od -A x -t x1z binary.bin
od -c -N 64 unicode.txt
od -t f4 -N 32 binary.bin
md5sum words.txt binary.bin
sha1sum words.txt
sha224sum binary.bin
sha256sum words.txt binary.bin empty
sha384sum words.txt
sha512sum binary.bin
b2sum words.txt
cksum words.txt
sum binary.bin
base64 binary.bin
base32 words.txt
basenc --base16 dir/sub/deep/d.dat
basename /usr/lib/x.so .so
dirname /usr/lib/x.so
pwd
pwd -P
realpath dir/../words.txt
realpath --relative-to=dir words.txt
readlink -f dir/sub/../sub/deep
readlink words.txt
ls
ls -a dir
ls -R dir
ls -l dir
ls -lh --time-style=full-iso words.txt
ls -1 --sort=size --reverse
ls -F
ls -d nosuch
ls --color=always dir
ls -n dir/sub
dir dir
vdir dir/sub
stat -c %n:%s:%f:%a:%h:%Y:%F words.txt dir empty
stat -c %A:%U:%G /usr/bin/env
stat nosuch
du -b --apparent-size dir
du -a --apparent-size -k dir/sub
test -d dir
test -x words.txt
[ 3 -gt 5 ]
test words.txt -nt empty
expr 6 * 7
expr length kernel
expr substr userspace 5 5
factor 360 97 18446744073709551557
numfmt --to=iec 1048576 123456789
numfmt --from=si 3K 2M
date -u -d @1600000000
date -u -d 2026-11-20T10:00:00+02:00 +%s
date -u -r words.txt +%F
env -i A=1 B=two env
printenv HOME TZ
env
id -u
id
whoami
groups
logname
nproc --all
uname
uname -s -m
arch
tty
hostid --version
sleep 0.05
timeout 0.2 sleep 5
timeout -s KILL 0.2 sleep 5
timeout 5 sh -c "exit 7"
nice -n 5 nice
nohup true
stdbuf -oL cat dir/a.txt
chroot --version
kill -l 9
kill -s TERM 999999
pathchk -p words.txt
mktemp -u --version
truncate --version
shuf -i 1-20 --random-source=binary.bin
shuf -n 3 --random-source=binary.bin words.txt
csplit -z -f part- -n 2 words.txt 100 200
split -l 100 words.txt piece-
ptx -w 40 dir/a.txt
tsort numbers.txt
dd if=binary.bin bs=512 count=4 skip=1 status=none
dd if=words.txt conv=ucase status=none
cp nosuch there
rm nosuch
rmdir dir
mkdir dir
mv nosuch there
ln words.txt dir
touch /nonexistent-directory/file
chmod 999 words.txt
cmp words.txt numbers.txt
diff words.txt words.txt
install --version
sync words.txt
dircolors -b
link nosuch there
unlink nosuch
mkfifo words.txt
users --version
test -e /dev/null
cat /dev/null
wc -c /dev/null
head -c 10 /dev/zero
""".splitlines()

# (command, what it reads on its standard input)
FED: list[tuple[str, str | bytes]] = [
    ("tr a-z A-Z", WORDS),
    ("tr -d 0-9", WORDS),
    ("tr -s a-z", "aabbcc\n"),
    ("tr -cd [:alpha:]", "x1y2\n"),
    ("cat -", "from standard input\n"),
    ("wc -l", NUMBERS),
    ("sort -n -", NUMBERS),
    ("tee copy.txt", "to both\n"),
    ("head -n 1", WORDS),
    ("base64 -d", "cmluZzM=\n"),
    ("md5sum", WORDS),
    ("dd bs=7 count=3 iflag=fullblock status=none", WORDS),
    ("cat", b"\0\xff\xfe" * 3000),
    ("uniq -d", "a\na\nb\n"),
    ("nl", "one\n\ntwo\n"),
    ("xargs -n 2 echo", "a b c d e\n"),
]

# name, script of sh: a change and what it left
SEQUENCES = [
    ("cp -r", "cp -r dir copy && ls -R copy && cat copy/sub/c.txt"),
    ("cp -a keeps times", "cp -a dir copy && stat -c '%n %Y %a' copy copy/* copy/sub/c.txt"),
    ("cp --preserve=mode", "chmod 640 words.txt; cp -p words.txt w2; stat -c '%a %Y' w2"),
    ("cp -l and -s", "cp -l words.txt hard; cp -s words.txt soft; stat -c '%h %F' hard soft"),
    ("cp --sparse", "truncate -s 1M hole; cp --sparse=always hole h2; stat -c %s h2; cmp hole h2"),
    ("cp --reflink=auto big", "head -c 3000000 /dev/zero > z; cp --reflink=auto z y; cmp z y && wc -c y"),
    ("cp -u -v", "cp -v words.txt x; cp -uv words.txt x; cp -v dir/a.txt x"),
    ("cp -b", "cp words.txt x; cp -b dir/a.txt x; ls; cat x"),
    ("mv file", "mv words.txt renamed && ls && wc -l renamed"),
    ("mv directory", "mv dir elsewhere && ls -R elsewhere"),
    ("mv over, -n", "mv -n dir/a.txt dir/b.txt; mv dir/a.txt dir/b.txt; ls dir; cat dir/b.txt"),
    ("mv across mounts", "mv words.txt /tmp/r3-moved-$$ && wc -l < /tmp/r3-moved-$$; rm /tmp/r3-moved-$$"),
    ("rm -r", "rm -r dir && ls"),
    ("rm -v -i", "echo y | rm -i words.txt; rm -v empty; ls"),
    ("mkdir -p -m", "mkdir -p -m 700 x/y/z && stat -c '%a %n' x x/y x/y/z"),
    ("rmdir -p", "mkdir -p x/y/z; rmdir -p x/y/z; ls; mkdir -p x/y; rmdir x; echo $?"),
    ("ln", "ln words.txt hard; stat -c %h words.txt; rm words.txt; wc -l hard; stat -c %h hard"),
    ("ln -s", "ln -s dir/a.txt link; cat link; readlink link; ln -s nosuch broken; cat broken; ls -l | cut -c1-10"),
    ("ln -s loop", "ln -s one two; ln -s two one; cat one; readlink -f one; echo $?"),
    ("ln -sfn", "ln -s dir d; ln -sfn dir/sub d; ls d; ln -sr dir/sub/c.txt rel; readlink rel"),
    ("chmod octal and symbolic", "chmod 755 words.txt; chmod u-x,g+w,o= words.txt; stat -c %a words.txt; chmod -R a-x,+X dir; stat -c %a dir dir/a.txt"),
    ("umask", "umask 027; touch f; mkdir d; stat -c %a f d; umask -S"),
    ("touch", "touch -d @1000000000.25 f; stat -c '%Y %y' f; touch -r words.txt f; stat -c %Y f; touch -c no; ls no"),
    ("touch -a -m", "touch -a -d @5 f; touch -m -d @6 f; stat -c '%X %Y' f"),
    ("touch -h", "ln -s words.txt l; touch -h -d @7 l; stat -c %Y l words.txt"),
    ("truncate", "truncate -s 10 words.txt; wc -c words.txt; truncate -s +5 words.txt; od -c words.txt"),
    ("fallocate", "fallocate -l 8192 f; stat -c %s f; fallocate -p -o 0 -l 4096 f; stat -c %s f; cmp -n 8192 f /dev/zero; echo $?"),
    ("mkfifo", "mkfifo p; (echo through > p) & cat p; wait; stat -c %F p"),
    ("mktemp", "f=$(mktemp ./tmp.XXXX); stat -c '%a %s' $f; d=$(mktemp -d ./d.XXXX); stat -c %a $d"),
    ("install", "install -m 751 words.txt installed; stat -c %a installed; install -d a/b/c; ls -R a"),
    ("split and cat", "split -n 3 binary.bin p. && ls p.* && cat p.* | cmp - binary.bin && echo same"),
    ("csplit", "csplit -s words.txt 50 100; wc -l xx*"),
    ("tee -a", "echo one | tee -a f; echo two | tee -a f g; cat f g"),
    ("tail -f --pid", "sleep 0.3 & tail -n 1 -f --pid=$! words.txt"),
    ("tail -F grows", "(sleep 0.2; echo more >> empty; sleep 0.3; kill $$) & exec tail -f empty"),
    ("dd seek", "dd if=dir/a.txt of=sparse bs=1 seek=5000 status=none; stat -c %s sparse; tail -c 6 sparse"),
    ("dd notrunc", "dd if=dir/a.txt of=words.txt conv=notrunc bs=1 seek=3 status=none; head -c 20 words.txt"),
    ("dd oflag=append", "dd if=dir/a.txt of=dir/b.txt oflag=append conv=notrunc status=none; cat dir/b.txt"),
    ("sum of a tree", "find dir -type f -print0 | sort -z | xargs -0 sha256sum"),
    ("sha256sum -c", "sha256sum words.txt > s; sha256sum -c s; echo >> words.txt; sha256sum -c s; echo $?"),
    ("exit statuses", "ls nosuch; echo $?; ./words.txt; echo $?; nosuchprogram; echo $?; sh -c 'kill -9 $$'; echo $?"),
    ("sort a big file", "seq 200000 -1 1 | sort -n -S 1M -T . | sed -n '1p;$p'"),
    ("sort --parallel", "seq 100000 -1 1 | sort -n --parallel=4 | md5sum"),
    ("yes | head", "yes | head -n 100000 | wc -c"),
    ("large pipe", "head -c 5000000 /dev/zero | tr '\\0' x | wc -c"),
    ("stat -f of a type", "stat -c %F /dev/null /proc /proc/self /usr/bin /tmp ."),
    ("shred", "shred -n 1 -u words.txt; ls"),
    ("chown to self", "chown $(id -u):$(id -g) words.txt; stat -c '%u %g' words.txt"),
    ("chgrp -R", "chgrp -R $(id -g) dir; stat -c %g dir/sub/c.txt"),
    ("env -C and -u", "env -C dir pwd; env -u HOME printenv HOME; echo $?"),
    ("env -S", "env -S 'A=5 sh -c \"echo $A\"'"),
    ("nohup output", "nohup sh -c 'echo out' 2>/dev/null; kill -0 $$; echo $?"),
    ("timeout --foreground", "timeout --foreground 0.2 cat /dev/zero > /dev/null; echo $?"),
    ("timeout and trap", "timeout 0.3 sh -c 'trap \"echo caught; exit 3\" TERM; sleep 2 & wait'; echo $?"),
    ("sleep many", "for i in 1 2 3 4 5; do sleep 0.1 & done; wait; echo slept"),
    ("realpath -m", "realpath -m /a/b/../c ./x/y; realpath -e nosuch; echo $?"),
    ("basename -a", "basename -a /x/y.c /z/w.c -s .c"),
    ("setsid", "setsid -w sh -c 'echo new session'; setsid -f true; echo $?"),
    ("unlink open file", "exec 3< words.txt; rm words.txt; wc -l <&3; ls -1 | wc -l"),
    ("write to removed", "exec 3> f; rm f; echo lost >&3; ls f; echo $?"),
    ("noclobber", "set -C; echo a > f; echo b > f; cat f; echo b >| f; cat f"),
    ("dev files", "echo x > /dev/null; head -c 4 /dev/zero | od -An -tx1; head -c 16 /dev/urandom | wc -c; echo y > /dev/full; echo $?"),
    ("dev fd", "echo in | cat /dev/stdin; echo out > /dev/stdout; exec 5< dir/a.txt; cat /dev/fd/5"),
    ("proc self", "cat /proc/self/comm; tr '\\0' ' ' < /proc/self/cmdline; readlink /proc/self/exe; readlink /proc/self/cwd | sed s,.*/,,"),
    ("ls proc fd", "exec 7< words.txt; ls /proc/$$/fd | grep -x 7; readlink /proc/$$/fd/7 | sed s,.*/,,"),
]  # fmt: skip

CASES: list[Case] = [
    *(command(line, files=TREE) for line in LINES),
    *(command(line, stdin, files=TREE) for line, stdin in FED),
    *(Case(f"sh: {name}", ["sh", "-c", text], files=TREE, stderr=True) for name, text in SEQUENCES),
]
