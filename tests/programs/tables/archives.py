"""tar and the compressors."""

from __future__ import annotations

from tests.programs.case import Case, script
from tests.programs.tables.files import TREE

SCRIPTS = [
    ("tar create and list", "tar -cf t.tar --sort=name dir words.txt && tar -tvf t.tar --numeric-owner; md5sum t.tar"),
    ("tar extract", "tar -cf t.tar dir; mkdir x; tar -xf t.tar -C x; diff -r dir x/dir && stat -c '%a %Y' x/dir/a.txt"),
    ("tar links and modes", "ln -s a.txt dir/soft; ln dir/a.txt dir/hard; chmod 700 dir/sub; mkfifo dir/fifo; tar -cf t.tar dir; mkdir x; tar -xpf t.tar -C x; ls -l x/dir | cut -c1-10; stat -c '%h %F' x/dir/hard x/dir/soft x/dir/fifo"),
    ("tar through a pipe", "tar -cf - dir | (mkdir y; cd y; tar -xf -); ls -R y; tar -cf - dir | wc -c"),
    ("tar -z -j -J", "for o in z j J; do tar -c${o}f t.$o dir && tar -t${o}f t.$o | sort | head -n 2; tar -xOf t.$o dir/a.txt; done"),
    ("tar --zstd", "tar --zstd -cf t.zst dir && tar --zstd -xOf t.zst dir/b.txt; tar -tf t.zst | wc -l"),
    ("tar append, delete, diff", "tar -cf t.tar dir/a.txt; tar -rf t.tar dir/b.txt; tar --delete -f t.tar dir/a.txt; tar -tf t.tar; echo more >> dir/b.txt; tar -df t.tar; echo $?"),
    ("tar sparse", "truncate -s 2M hole; echo end >> hole; tar -Scf t.tar hole; rm hole; tar -xf t.tar; stat -c %s hole; tail -c 4 hole"),
    ("tar incremental", "tar -cf 0.tar -g snap dir; echo new > dir/new; tar -cf 1.tar -g snap dir; tar -tf 1.tar | grep -c new"),
    ("tar errors", "tar -xf nosuch; echo $?; tar -cf t.tar nosuch; echo $?; head -c 700 binary.bin > bad.tar; tar -tf bad.tar; echo $?"),
    ("gzip", "gzip -k words.txt; gzip -l words.txt.gz | tail -n 1 | tr -s ' ' | cut -d' ' -f3; zcat words.txt.gz | cmp - words.txt; gzip -t words.txt.gz; gunzip -f words.txt.gz; stat -c %Y words.txt"),
    ("gzip pipe", "head -c 3000000 /dev/zero | gzip -9 | gunzip | wc -c; gzip -dc < binary.bin; echo $?; zgrep -c ring <(gzip -c words.txt)"),
    ("bzip2", "bzip2 -k words.txt && bzcat words.txt.bz2 | cmp - words.txt && bunzip2 -t words.txt.bz2; echo $?"),
    ("xz", "xz -k words.txt && xzcat words.txt.xz | cmp - words.txt; xz -T2 -0 -c binary.bin | xz -d | md5sum; xz -l words.txt.xz | grep -c words"),
    ("zstd", "zstd -q -k words.txt && zstdcat words.txt.zst | cmp - words.txt; zstd -q -T2 -3 -c binary.bin | zstd -q -d | md5sum; zstd -q -t words.txt.zst; echo $?"),
    ("cpio-like with find", "find dir | sort | tar -cf t.tar --no-recursion -T -; tar -tf t.tar"),
]  # fmt: skip

CASES: list[Case] = [
    script(f"archive: {n}", t, files=TREE, needs=("tar", "xz", "zstd", "bzip2")) for n, t in SCRIPTS
]
