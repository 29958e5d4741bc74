//! Calls on one worker: answers, errors, streams, cancellation.

use std::time::Duration;

use futures_util::StreamExt;
use snakepit_core::error::RemoteKind;
use snakepit_core::{Args, CallError, Quiesced, Reply, Value};

use crate::support::{LANE, LIMIT, Pit};

#[tokio::test]
async fn a_worker_answers_and_stops() {
    let pit = Pit::new();
    let profile = pit.profile("basic.py");
    let launched = pit.launch(&profile).await;
    assert_eq!(launched.hello.lanes, 1);
    assert_eq!(launched.hello.launch, "zygote");
    assert!(launched.hello.runtime.starts_with("CPython 3."), "{}", launched.hello.runtime);
    assert!(launched.hello.commands.iter().any(|command| command.name == "echo"));
    let worker = launched.worker;
    for value in [Value::Null, "héllo".into(), 42.into(), 1.5.into()] {
        let answer = pit.call(&*worker, "echo", Args::positional([value.clone()])).await.unwrap();
        assert_eq!(answer, value);
    }
    let pid = pit.call(&*worker, "pid", Args::none()).await.unwrap();
    assert_eq!(pid.as_u64(), launched.hello.process.map(u64::from));
    worker.ping().await.unwrap();
    let report = worker.stop(LIMIT).await;
    assert_eq!(report.cause(), "exit code 0");
    drop((worker, profile));
    pit.assert_empty();
}
