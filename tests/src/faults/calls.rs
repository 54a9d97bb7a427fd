//! Calls of the system that fail.

use std::collections::BTreeMap;

use super::script::Script;
use super::strace::Tracer;
use super::{Watch, temporary};
use crate::conversations::transfer::pattern;
use crate::{Client, Config, Program, cases};

cases! { "faults";
    transfers_every_byte_through_interrupted_calls("strace", "root"),
    survives_the_failure_of_every_call("strace", "root"),
    tells_a_client_for_whom_there_is_no_thread("strace", "root"),
}

/// R10: each third call is interrupted by a signal that nobody sent.
fn transfers_every_byte_through_interrupted_calls(program: &Program) {
    let server = program.serve();
    let watch = Watch::begin(&server);
    let content = pattern(8_000_000);
    let uploads: Vec<String> = (0..20).map(|serial| temporary(&server, serial)).collect();
    for calls in [
        "accept4,poll,ppoll,epoll_wait,epoll_pwait,epoll_pwait2",
        "read,recvfrom,pread64",
        "write",
        "sendto,pwrite64",
        "sendfile,splice",
    ] {
        let inject = format!("inject={calls}:error=EINTR:when=2+3");
        let trace = format!("trace={calls}");
        let mut options = vec!["-e", &trace, "-e", &inject];
        if calls == "write" {
            // One that wakes a thread is never interrupted.
            options.extend(uploads.iter().flat_map(|path| ["-P", path]));
        }
        let tracer = Tracer::attach(&server, &options);
        let mut client = server.login();
        client.store("f.bin", &content);
        assert!(
            server.content("f.bin") == content,
            "stored other bytes: {calls}"
        );
        assert!(
            client.fetch("f.bin") == content,
            "fetched other bytes: {calls}"
        );
        client.command("TYPE A", 200);
        client.store("f.txt", b"one\r\ntwo\r\n");
        assert_eq!(client.fetch("f.txt"), b"one\r\ntwo\r\n");
        client.command("QUIT", 221);
        assert!(tracer.injected() > 0, "{calls}");
    }
    watch.ends_well();
}

/// Calls that cannot fail, or whose failure is that of something else: of memory, of a thread's
/// own end. One that closes lets go of the descriptor even where it says that it failed, and to
/// wait for other events of a descriptor (most uses of epoll_ctl) takes no memory, nor does to wake
/// a thread (most uses of write; those of files are among the cases of disks).
const NEVER: &[&str] = &[
    "brk",
    "close",
    "epoll_ctl",
    "exit",
    "exit_group",
    "futex",
    "getpid",
    "gettid",
    "madvise",
    "mmap",
    "mprotect",
    "munmap",
    "rseq",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sched_getaffinity",
    "sched_yield",
    "set_robust_list",
    "sigaltstack",
    "restart_syscall",
    "write",
];

/// How a call fails, where it is not with EIO.
fn errors(call: &str) -> &'static str {
    match call {
        "accept4" | "socket" | "openat" | "openat2" | "pipe2" | "eventfd2" | "fcntl" | "dup" => {
            "EMFILE"
        }
        "clone" | "clone3" => "EAGAIN",
        "poll" | "ppoll" | "epoll_wait" | "setsockopt" | "getsockopt" => "ENOMEM",
        "bind" | "listen" => "EADDRINUSE",
        "connect" => "ENETUNREACH",
        "shutdown" | "getpeername" | "getsockname" => "ENOTCONN",
        "mkdirat" | "fallocate" => "ENOSPC",
        _ => "EIO",
    }
}

/// Set, every occurrence of every call fails once, not only the first and one in the middle.
const EVERY: &str = "WHARF_EVERY_CALL";

/// R28: of one session with a bit of everything; each failure in a session of its own.
fn survives_the_failure_of_every_call(program: &Program) {
    let limits = "[limits]\nconnect = \"2s\"\nstall = \"2s\"";
    let server = program.start(Config::default().table(limits));
    let watch = Watch::begin(&server);
    let tracer = Tracer::attach(&server, &[]);
    Script::play(&server).expect("a session without failures");
    let calls = count(&tracer.detach());
    for name in ["accept4", "statx", "sendfile", "renameat"] {
        assert!(
            calls.keys().any(|call| call.starts_with(name)),
            "{name} is not in {calls:?}"
        );
    }
    let every = std::env::var_os(EVERY).is_some();
    let mut injected = 0;
    for (call, times) in calls {
        // The first one may be that of the thread which waits for signals.
        let first = if call == "recvfrom" { 2 } else { 1 };
        let some = [first, times.div_ceil(2)];
        for which in first..=times {
            if every || some.contains(&which) {
                let inject = format!("inject={call}:error={}:when={which}", errors(&call));
                let trace = format!("trace={call}");
                let tracer = Tracer::attach(&server, &["-e", &trace, "-e", &inject]);
                // What the session is told is checked; that it breaks off is no surprise.
                let _ = Script::play(&server);
                Script::clean(&server);
                watch.is_at_rest();
                injected += tracer.injected();
            }
        }
    }
    assert!(injected > 50, "{injected} failures");
    watch.ends_well();
}

/// R02: of threads there may be a lack too. Without one for its session a client is told to come
/// later; a login does without one where it has the session's, and is refused else.
fn tells_a_client_for_whom_there_is_no_thread(program: &Program) {
    let server = program.serve();
    let options = [
        "-e",
        "trace=clone3",
        "-e",
        "inject=clone3:error=EAGAIN:when=1",
    ];
    let tracer = Tracer::attach(&server, &options);
    let (code, text) = Client::silent(server.address()).reply();
    let injected = tracer.injected();
    let expected = if injected > 0 { 421 } else { 220 };
    assert_eq!(code, expected, "{text}");
    let mut client = server.connect();
    let tracer = Tracer::attach(&server, &options);
    client.command("USER user", 331);
    client.send("PASS 12345");
    let (code, text) = client.reply();
    let has_its_own = injected > 0;
    assert_eq!(code, if has_its_own { 230 } else { 421 }, "{text}");
    assert!(injected + tracer.injected() > 0, "there are threads enough");
    drop(client);
    Watch::begin(&server).ends_well();
}

/// How often each call was made by the thread that made it most often: strace counts by thread.
fn count(trace: &str) -> BTreeMap<String, usize> {
    let mut by_thread: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((call, _)) = rest.trim_start().split_once('(') else {
            continue;
        };
        if call
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((_, call), count) in by_thread {
        if !NEVER.contains(&call) {
            let most = most.entry(call.to_owned()).or_default();
            *most = count.max(*most);
        }
    }
    most
}
