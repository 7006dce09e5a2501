"""sqlite3: locks, journals, memory maps."""

from __future__ import annotations

from tests.programs.case import Case, script
from tests.programs.tables.files import TREE

SCRIPTS = [
    ("create and query", "sqlite3 a.db 'create table t(a, b); insert into t values (1, \"x\"), (2, \"y\"); select * from t order by a desc; select sqlite_version() > 3;'; sqlite3 a.db .schema; ls"),
    ("import", "sqlite3 a.db -cmd '.mode csv' '.import table.csv t' 'select count(*), sum(size) from t' 'select name, count(*) from t group by name order by 2 desc, 1 limit 3'"),
    ("write-ahead log", "sqlite3 a.db 'pragma journal_mode=wal; create table t(x); insert into t select value from generate_series(1, 5000);' 2>/dev/null || sqlite3 a.db 'create table u(x)'; sqlite3 a.db 'pragma integrity_check; pragma journal_mode'"),
    ("transactions", "sqlite3 a.db 'create table t(x); begin; insert into t values(1); rollback; begin; insert into t values(2); commit; select x from t'"),
    ("many inserts", "(echo 'create table t(a integer primary key, b); begin;'; seq 20000 | sed 's/.*/insert into t values(&, \"v&\");/'; echo 'commit; create index i on t(b); select count(*), max(b) from t where b like \"v1%\";') | sqlite3 a.db; sqlite3 a.db 'pragma integrity_check'"),
    ("two writers", "sqlite3 a.db 'create table t(x)'; for i in 1 2 3; do (for j in 1 2 3 4; do sqlite3 -cmd '.timeout 20000' a.db \"insert into t values($i$j)\"; done) & done; wait; sqlite3 a.db 'select count(*), sum(x) from t'"),
    ("locked", "sqlite3 a.db 'create table t(x)'; (printf 'begin exclusive;\\n.shell sleep 1\\ncommit;\\n' | sqlite3 a.db) & sleep 0.5; sqlite3 a.db 'insert into t values(1)'; echo $?; wait"),
    ("mmap", "sqlite3 a.db 'pragma mmap_size=10000000; create table t(x); insert into t select randomblob(1000) from (select 1 union select 2 union select 3); select count(*), sum(length(x)) from t' | tail -n 1"),
    ("dump and restore", "sqlite3 a.db 'create table t(x); insert into t values (3.5), (null), (x\\'00ff\\')' 2>/dev/null; sqlite3 a.db \"create table u(x); insert into u values (3.5), (null), (x'00ff')\" .dump | sqlite3 b.db; sqlite3 b.db 'select quote(x) from u'; sqlite3 a.db '.backup c.db'; ls"),
]  # fmt: skip

CASES: list[Case] = [script(f"sqlite3: {n}", t, files=TREE, needs=("sqlite3",)) for n, t in SCRIPTS]
