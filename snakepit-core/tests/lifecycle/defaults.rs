//! What a command says of its calls holds for calls that do not say it themselves.

use std::time::Duration;

use snakepit_core::testing::FakeProfile;
use snakepit_core::{CallError, Command};

use crate::support::{builder, failed, started};

const SHORT: Duration = Duration::from_millis(20);

fn timed(name: &str, timeout: Duration) -> Command {
    let mut command = Command::new(name);
    command.timeout = Some(timeout);
    command
}

fn repeatable(name: &str) -> Command {
    let mut command = Command::new(name);
    command.idempotent = true;
    command
}

#[tokio::test]
async fn a_call_without_a_timeout_has_that_of_its_command() {
    let profile = FakeProfile::new().describe(timed("hang", SHORT));
    let pool = started(&profile).await;
    let error = failed(pool.call::<()>("hang", ()).await, "call.timeout");
    let CallError::TimedOut { after, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(after, SHORT);
    let pool = started(&profile).await; // the worker of the other may still be on its way out
    let stream = pool.stream::<()>("hang", ()).await;
    assert_eq!(stream.err().map(|error| error.code()), Some("call.timeout"));
}

#[tokio::test]
async fn a_call_made_before_any_worker_was_ready_has_the_timeout_of_its_command_too() {
    let profile = FakeProfile::new().describe(timed("hang", SHORT));
    let pool = builder(&profile).launch();
    let error = failed(pool.call::<()>("hang", ()).await, "call.timeout");
    let CallError::TimedOut { after, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(after, SHORT);
    let pool = builder(&profile).launch();
    let stream = pool.stream::<()>("hang", ()).await;
    assert_eq!(stream.err().map(|error| error.code()), Some("call.timeout"));
    let pool = builder(&profile).launch();
    let call = pool.request("hang", ()).timeout(SHORT * 2);
    let error = failed(call.call::<()>().await, "call.timeout");
    let CallError::TimedOut { after, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(after, SHORT * 2);
}

#[tokio::test]
async fn a_timeout_of_its_own_goes_before_that_of_the_command() {
    let profile = FakeProfile::new().describe(timed("sleep", SHORT));
    let pool = started(&profile).await;
    let call = pool.request("sleep", 0.1).timeout(Duration::from_secs(60));
    call.call::<()>().await.expect("it has the time");
    let call = pool.request("hang", ()).timeout(SHORT * 2);
    let error = failed(call.call::<()>().await, "call.timeout");
    let CallError::TimedOut { after, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(after, SHORT * 2);
}

#[tokio::test]
async fn a_command_that_may_be_repeated_is_tried_again() {
    let profile = FakeProfile::new().describe(repeatable("die"));
    let pool = started(&profile).await;
    failed(pool.call::<()>("die", ()).await, "call.poisoned");
    let call = pool.request("die", ()).idempotent(false);
    failed(call.call::<()>().await, "call.worker_lost");
}

#[tokio::test]
async fn a_command_that_says_nothing_is_not_tried_again() {
    let profile = FakeProfile::new().describe(repeatable("echo"));
    let pool = started(&profile).await;
    failed(pool.call::<()>("die", ()).await, "call.worker_lost");
}
