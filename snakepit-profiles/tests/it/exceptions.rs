//! Exceptions of real interpreters: of which class they are, and that they print as Python prints them.

use std::sync::Arc;

use snakepit_core::{CallError, Pool, Value};

use crate::support::{Pit, python_version};

async fn start(pit: &Pit) -> Pool {
    let profile = Arc::new(pit.profile("values.py"));
    let started = Pool::builder("exceptions", profile).size(1).start();
    started.await.unwrap_or_else(|error| panic!("{error}"))
}

async fn raised(pool: &Pool, command: &str) -> CallError {
    pool.call::<Value>(command, ()).await.unwrap_err()
}

#[tokio::test]
async fn an_exception_is_matched_by_its_class_and_by_those_it_derives_from() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    let error = raised(&pool, "raises_class").await;
    for class in [
        "values.Broken",
        "ValueError",
        "builtins.ValueError",
        "Exception",
        "BaseException",
    ] {
        assert!(error.is(class), "{class}");
    }
    assert!(!error.is("KeyError") && !error.is("Broken"));
    assert_eq!(error.to_string(), "values.Broken: it is");
    assert_eq!(error.exception().unwrap().type_name, "values.Broken");
    let error = raised(&pool, "raises_while_handling").await;
    let exception = error.exception().unwrap();
    assert!(exception.is("OSError") && exception.cause.is_none());
    let context = exception.context.as_deref().unwrap();
    assert!(context.is("values.Broken") && context.context.is_none());
    assert!(context.cause.as_deref().unwrap().is("KeyError"));
    assert!(
        pool.call::<Value>("unknown", ())
            .await
            .unwrap_err()
            .exception()
            .is_none()
    );
}

#[tokio::test]
async fn exceptions_that_are_no_errors_end_the_call_only() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    for (command, class) in [
        ("exits", "SystemExit"),
        ("interrupts", "KeyboardInterrupt"),
        ("stops", "GeneratorExit"),
        ("raises_rudely", "values.Rude"),
    ] {
        let error = raised(&pool, command).await;
        assert_eq!(error.code(), "call.exception");
        assert!(error.is(class) && error.is("BaseException"), "{error}");
    }
    let error = raised(&pool, "cancels").await;
    assert!(error.to_string().contains("CancelledError"), "{error}");
    assert_eq!(pool.call::<i32>("echo", (1,)).await.unwrap(), 1);
}

#[tokio::test]
async fn exceptions_are_laid_out_as_python_prints_them() {
    let pit = Pit::new();
    let pool = start(&pit).await;
    let mut commands = vec![
        "raises_class",
        "raises_from",
        "raises_while_handling",
        "raises_syntax_error",
        "raises_over_lines",
        "exits",
    ];
    commands.extend([
        "raises_in_parts",
        "raises_in_long_call",
        "raises_behind_wide_text",
    ]);
    if python_version() >= (3, 11) {
        // Before, there were no groups, and an exception without text was called unprintable.
        commands.extend(["raises_group", "raises_rudely"]);
    }
    for command in commands {
        let python: String = pool.call("as_python_prints", (command,)).await.unwrap();
        let error = raised(&pool, command).await;
        let ours = error.exception().unwrap().traceback().to_string();
        assert_eq!(ours, python, "{command}");
    }
    let error = raised(&pool, "raises_in_recursion").await;
    let text = error.exception().unwrap().traceback().to_string();
    assert!(
        text.contains("[Previous line repeated 497 more times]"),
        "{text}"
    );
}
