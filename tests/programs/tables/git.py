"""git on a local repository: many small files, renames, locks, child processes."""

from __future__ import annotations

from tests.programs.case import Case, script
from tests.programs.tables.files import TREE

CONFIG = """\
[user]
	name = Tester
	email = tester@example.org
[init]
	defaultBranch = main
[gc]
	auto = 0
[safe]
	directory = *
"""
PRELUDE = """\
export GIT_AUTHOR_DATE='1600000000 +0000' GIT_COMMITTER_DATE='1600000000 +0000'
export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
mkdir repo && cp -r dir words.txt table.csv repo && cd repo && git init -q . || exit 9
"""

SCRIPTS = [
    ("init add commit log", "git add . && git commit -q -m first && git log --format='%H %an %s' && git status --short && git rev-parse HEAD"),
    ("status and diff", "git add . && git commit -q -m one; echo more >> words.txt; rm table.csv; touch new; git status --short; git diff --stat; git diff words.txt | tail -n 3; git add -A; git commit -q -m two; git show --stat --format=%s"),
    ("branch merge", "git add . && git commit -q -m base; git checkout -q -b side; echo s > s; git add s; git commit -q -m side; git checkout -q main; echo m > m; git add m; git commit -q -m main; git merge -q --no-edit side && git log --oneline --graph | cat; ls"),
    ("merge conflict", "git add . && git commit -q -m base; git checkout -q -b side; echo s > dir/a.txt; git commit -qam s; git checkout -q main; echo m > dir/a.txt; git commit -qam m; git merge side; echo $?; cat dir/a.txt; git merge --abort; git status --short"),
    ("rebase", "git add . && git commit -q -m base; git checkout -q -b side; echo s > s; git add s; git commit -q -m side; git checkout -q main; echo m > m; git add m; git commit -q -m main; git checkout -q side; git rebase -q main; git log --format=%s"),
    ("fsck gc", "for i in 1 2 3 4; do echo $i >> words.txt; git add .; git commit -q -m c$i; done; git fsck --full 2>&1 | grep -v dangling; git gc -q; git count-objects -v | grep -E 'count|in-pack|packs'; git fsck; git log --oneline | wc -l"),
    ("clone", "git add . && git commit -q -m one; cd ..; git clone -q repo copy; git clone -q --bare repo bare.git; git clone -q file://$PWD/bare.git third; diff -r -x .git repo third && git -C third log --format=%H; git -C copy remote -v | sed 's,/.*/,,'"),
    ("push fetch", "git add . && git commit -q -m one; cd ..; git clone -q --bare repo b.git; git clone -q b.git w; cd w; echo x > x; git add x; git commit -q -m two; git push -q origin main; cd ../repo; git fetch -q ../b.git main; git log --format=%s FETCH_HEAD"),
    ("stash and tags", "git add . && git commit -q -m one; echo d >> words.txt; git stash -q; git status --short; git stash pop -q; git status --short; git tag v1; git tag -a v2 -m annotated; git tag -l; git describe"),
    ("blame grep archive", "git add . && git commit -q -m one; git blame -s dir/a.txt; git grep -c ring; git archive HEAD | tar -tf - | sort; git ls-files -s; git cat-file -p HEAD^{tree}"),
    ("worktree and hooks", "printf '#!/bin/sh\\necho hook ran\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; git add . && git commit -q -m one; git worktree add -q ../wt; ls ../wt; git worktree list | wc -l"),
    ("apply and bisect", "for i in 1 2 3 4 5 6 7 8; do echo $i > n; git add .; git commit -q -m c$i; done; git bisect start -q HEAD HEAD~7 > /dev/null; git bisect run sh -c 'test $(cat n) -lt 5' | tail -n 30 | grep -c 'first bad commit'; git bisect reset -q; git diff HEAD~1 | git apply -R; cat n"),
]  # fmt: skip

CASES: list[Case] = [
    script(
        f"git: {n}",
        PRELUDE + t,
        files={**TREE, ".gitconfig": CONFIG},
        needs=("git",),
        timeout_s=40,
        stderr=True,
    )
    for n, t in SCRIPTS
]
