"""perl and node: interpreters with their own event loops, threads and signal handling."""

from __future__ import annotations

from tests.programs.case import Case, program
from tests.programs.tables.files import TREE

PERL = [
    ("hello", 'print "hello $]\\n"; printf "%s %d\\n", $0, scalar @ARGV; exit 3;'),
    ("files", 'open(my $f, "<", "words.txt") or die; my %n; while (<$f>) { chomp; s/\\d+//; $n{$_}++ } print "$_ $n{$_}\\n" for sort keys %n; print -s "binary.bin", " ", (stat "words.txt")[9], "\\n";'),
    ("fork and wait", 'my @p; for my $i (1..5) { my $p = fork; if (!$p) { exit $i } push @p, $p } for (@p) { waitpid $_, 0; print $? >> 8, "\\n" }'),
    ("pipes", 'open(my $p, "-|", "seq 10 | sort -rn") or die; print while <$p>; close $p; open(my $q, "|-", "tr a-z A-Z") or die; print $q "text\\n"; close $q; print `echo sub`, $?, "\\n"; system("sh", "-c", "exit 5"); print $? >> 8, "\\n";'),
    ("signals", '$| = 1; my $n = 0; $SIG{USR1} = sub { $n++ }; kill USR1 => $$ for 1..3; print "$n\\n"; $SIG{ALRM} = sub { die "alarm\\n" }; eval { alarm 1; select undef, undef, undef, 5; }; print $@; $SIG{__DIE__} = "DEFAULT"; kill TERM => $$;'),
    ("sockets", 'use IO::Socket; my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die $!; my $port = $s->sockport; if (!fork) { my $c = IO::Socket::INET->new("127.0.0.1:$port"); print $c "ping\\n"; print scalar <$c>; exit } my $c = $s->accept; my $l = <$c>; print $c "pong\\n"; close $c; wait; print $l;'),
    ("socketpair", 'use Socket; socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die; $a->autoflush(1); if (!fork) { close $b; print $a "from child\\n"; exit 2 } close $a; print scalar <$b>; wait; print $? >> 8, "\\n";'),
    ("directories", 'opendir my $d, "dir" or die; print join(",", sort grep !/^\\./, readdir $d), "\\n"; mkdir "new", 0750; rename "new", "newer"; print join(",", map { -d $_ ? "d" : -f _ ? "f" : "-" } "newer", "words.txt", "nosuch"), "\\n"; rmdir "newer" or die; unlink "nosuch" or print "$!\\n"; print glob("dir/*.txt"), "\\n";'),
    ("threads", 'use threads; use threads::shared; my $n :shared = 0; my @t = map { threads->create(sub { for (1..200) { lock $n; $n++ } return $_[0] * 2 }, $_) } 1..4; print join(",", map { $_->join } @t), " $n\\n";'),
    ("sockets select", 'use IO::Select; pipe(my $r, my $w); my $s = IO::Select->new($r); print scalar($s->can_read(0.1)), "\\n"; syswrite $w, "x"; print scalar($s->can_read(1)), "\\n";'),
    ("times and locks", 'use Fcntl ":flock"; use Time::HiRes qw(sleep time); my $t = time; sleep 0.1; print time - $t >= 0.1 ? "slept\\n" : "early\\n"; open my $f, ">", "l"; flock $f, LOCK_EX; print "locked\\n"; my @t = times; print scalar(@t), "\\n"; print join("-", (gmtime 0)[5, 4, 3]), "\\n";'),
    ("sort big", 'my @a = map { ($_ * 7919) % 100003 } 1..100000; my @s = sort { $a <=> $b } @a; print "$s[0] $s[-1] ", scalar @s, "\\n"; my $x = "ab" x 500000; $x =~ s/a/c/g; print length $x, "\\n";'),
    ("POSIX", 'use POSIX qw(:sys_wait_h :limits_h uname setsid ttyname); print((uname)[0], "\\n"); my $p = fork // die; if (!$p) { kill STOP => $$; exit 4 } waitpid $p, WUNTRACED; print WIFSTOPPED(${^CHILD_STATUS_NATIVE}) ? "stopped\\n" : "no\\n"; kill CONT => $p; waitpid $p, 0; print WEXITSTATUS($?), "\\n"; print defined ttyname(0) ? "tty" : "none", "\\n";'),
]  # fmt: skip

NODE = [
    ("hello", "console.log('hello', process.argv.length, process.pid > 0, process.platform); process.exitCode = 3;"),
    ("files", "const fs = require('fs'); const t = fs.readFileSync('words.txt', 'utf8'); console.log(t.length, fs.statSync('dir').isDirectory()); fs.writeFileSync('out', t.slice(0, 50)); fs.appendFileSync('out', 'x'); fs.renameSync('out', 'out2'); console.log(fs.readdirSync('.').sort().join()); try { fs.readFileSync('nosuch') } catch (e) { console.log(e.code, e.syscall) }"),
    ("promises", "const fs = require('fs/promises'); (async () => { const all = await Promise.all(['dir/a.txt', 'dir/b.txt', 'words.txt'].map(f => fs.readFile(f))); console.log(all.map(b => b.length)); await fs.mkdir('x/y', { recursive: true }); await fs.rm('x', { recursive: true }); console.log(await fs.stat('x').catch(e => e.code)); })()"),
    ("timers", "const t = Date.now(); setTimeout(() => console.log('later', Date.now() - t >= 699), 700); setImmediate(() => console.log('immediate')); process.nextTick(() => console.log('tick')); Promise.resolve().then(() => console.log('micro')); console.log('now')"),
    ("child process", "const { execFileSync, spawn, spawnSync } = require('child_process'); console.log(execFileSync('seq', ['3']).toString()); const r = spawnSync('sh', ['-c', 'echo err >&2; exit 4']); console.log(r.status, r.stderr.toString()); const c = spawn('tr', ['a-z', 'A-Z']); c.stdout.on('data', d => process.stdout.write(d)); c.on('close', (s, g) => console.log('closed', s, g)); c.stdin.end('piped\\n'); const k = spawn('sleep', ['9']); k.on('exit', (s, g) => console.log(s, g)); setTimeout(() => k.kill(), 300);"),
    ("tcp", "const net = require('net'); const s = net.createServer(c => { c.on('data', d => c.end('pong ' + d)); }).listen(0, '127.0.0.1', () => { const c = net.connect(s.address().port, '127.0.0.1', () => c.write('ping')); c.on('data', d => console.log(d.toString())); c.on('close', () => { s.close(); console.log('done') }); });"),
    ("http", "const http = require('http'); const s = http.createServer((q, r) => { r.setHeader('x-a', 'b'); r.end('path ' + q.url) }).listen(0, '127.0.0.1', () => http.get({ port: s.address().port, host: '127.0.0.1', path: '/x?y' }, r => { let b = ''; r.on('data', d => b += d); r.on('end', () => { console.log(r.statusCode, r.headers['x-a'], b); s.close(); s.closeAllConnections && s.closeAllConnections() }) }));"),
    ("unix socket", "const net = require('net'); const s = net.createServer(c => c.end('local')).listen('s.sock', () => { const c = net.connect('s.sock'); c.on('data', d => console.log(d.toString())); c.on('end', () => s.close()) });"),
    ("workers", "const { Worker, isMainThread, parentPort, workerData } = require('worker_threads'); if (isMainThread) { let n = 0, sum = 0; for (let i = 1; i <= 3; i++) { const w = new Worker(__filename, { workerData: i }); w.on('message', m => { sum += m }); w.on('exit', c => { if (++n === 3) console.log('sum', sum) }) } } else { parentPort.postMessage(workerData * 10) }"),
    ("signals", "process.on('SIGUSR2', () => { console.log('usr2'); clearInterval(t) }); const t = setInterval(() => {}, 1000); process.kill(process.pid, 'SIGUSR2'); process.on('exit', c => console.log('exit', c)); "),
    ("killed", "setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50); setInterval(() => {}, 1000)"),
    ("streams and zlib", "const zlib = require('zlib'), fs = require('fs'), { pipeline } = require('stream'); pipeline(fs.createReadStream('words.txt'), zlib.createGzip(), fs.createWriteStream('w.gz'), e => { console.log(e); console.log(zlib.gunzipSync(fs.readFileSync('w.gz')).equals(fs.readFileSync('words.txt'))) })"),
    ("stdin", "let n = 0; process.stdin.on('data', d => n += d.length).on('end', () => console.log('read', n))"),
    ("crypto and memory", "const c = require('crypto'); console.log(c.createHash('sha256').update('ring3').digest('hex')); console.log(c.randomBytes(8).length, c.pbkdf2Sync('a', 'b', 1000, 8, 'sha1').toString('hex')); const a = []; for (let i = 0; i < 200; i++) a.push(new Float64Array(20000).fill(i)); console.log(a.reduce((s, x) => s + x[7], 0))"),
    ("watch a file", "const fs = require('fs'); const w = fs.watch('empty', (e, f) => { console.log('change', f); w.close() }); setTimeout(() => fs.appendFileSync('empty', 'x'), 200)"),
    ("os module", "const os = require('os'); console.log(os.type(), os.EOL === '\\n', os.cpus().length > 0, os.totalmem() > 1e8, os.userInfo().uid === process.getuid())"),
    ("dgram", "const d = require('dgram'); const s = d.createSocket('udp4'); s.on('message', m => { console.log(m.toString()); s.close() }); s.bind(0, '127.0.0.1', () => d.createSocket('udp4').unref().send('datagram', s.address().port, '127.0.0.1'))"),
]  # fmt: skip

CASES: list[Case] = [
    *(program(f"perl: {n}", "perl p.pl one", "p.pl", t, files=TREE) for n, t in PERL),
    *(
        program(
            f"node: {n}", "node n.js", "n.js", t, files=TREE, stdin="input " * 5000, timeout_s=30
        )
        for n, t in NODE
    ),
]
