//! What workers tell of their commands, and what that spares user code.

use std::time::Duration;

use snakepit_core::error::RemoteKind;
use snakepit_core::value::{Date, Map};
use snakepit_core::{
    Args, CallError, Command, Delivery, Parameter, ParameterDefault, ParameterKind, Value,
};

use crate::support::Pit;

fn find<'a>(commands: &'a [Command], name: &str) -> &'a Command {
    let found = commands.iter().find(|command| command.name == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {commands:?}"))
}

fn parameter<'a>(command: &'a Command, name: &str) -> &'a Parameter {
    let found = command.params.iter().find(|param| param.name == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {command:?}"))
}

fn value(value: impl Into<Value>) -> ParameterDefault {
    ParameterDefault::Value(value.into())
}

#[tokio::test]
async fn commands_come_with_parameters_schema_and_options() {
    let pit = Pit::new();
    let launched = pit.launch(&pit.profile("specs.py")).await;
    let command = find(&launched.hello.commands, "total");
    assert_eq!(command.timeout, Some(Duration::from_millis(2500)));
    assert!(command.idempotent);

    let rows = parameter(command, "rows");
    assert_eq!(rows.kind, ParameterKind::PositionalOrKeyword);
    assert!(rows.required && rows.annotation.contains("Row"), "{rows:?}");
    assert_eq!(
        (rows.doc.as_str(), &rows.default),
        ("What to add up.", &None)
    );
    assert_eq!(parameter(command, "colour").default, Some(value("red")));
    let day = Date::new(2026, 1, 2).expect("a date");
    assert_eq!(
        parameter(command, "day").default,
        Some(value(Value::Date(day)))
    );
    assert_eq!(parameter(command, "ratio").default, Some(value(0.1)));
    assert_eq!(parameter(command, "note").default, Some(value(Value::Null)));
    assert_eq!(
        parameter(command, "kind").default,
        Some(ParameterDefault::Shown("<class 'object'>".into()))
    );
    let options = parameter(command, "options");
    assert_eq!(
        (options.kind, options.required),
        (ParameterKind::VarKeyword, false)
    );

    let schema = &command.schema;
    let properties = schema.get("properties").expect("properties");
    let rows = properties.get("rows").and_then(|rows| rows.get("items"));
    assert_eq!(
        rows,
        Some(&Value::Map(Map::from([("$ref", "#/$defs/Row")])))
    );
    let required = Value::List(vec!["rows".into()]);
    assert_eq!(schema.get("required"), Some(&required));

    let plain = find(&launched.hello.commands, "ran_so_far");
    assert_eq!((plain.timeout, plain.idempotent), (None, false));
}

#[tokio::test]
async fn arguments_that_do_not_fit_never_reach_the_command() {
    let pit = Pit::new();
    let worker = pit.launch(&pit.profile("specs.py")).await.worker;
    let row = |size: Value| Map::from([("name", Value::from("a")), ("size", size)]);
    let rows =
        |size: Value| Args::positional([Value::List(vec![row(1.into()).into(), row(size).into()])]);
    let answer = pit.call(&*worker, "total", rows(2.into())).await;
    let answer = answer.expect("a total");
    assert_eq!(answer.get("total"), Some(&Value::from(3)));
    assert_eq!(answer.get("session"), Some(&Value::from("default_session")));

    let error = pit.call(&*worker, "total", rows("2".into())).await;
    let error = error.expect_err("it does not fit");
    assert_eq!(
        (error.code(), error.delivery()),
        ("call.bad_arguments", Delivery::NotSent)
    );
    let CallError::Remote(remote) = error else {
        panic!("{error:?}");
    };
    assert_eq!(remote.kind, RemoteKind::BadArguments);
    assert_eq!(
        remote.exception.message,
        "`rows[1].size` has to be an int, not a str ('2')"
    );
    let ran = pit.call(&*worker, "ran_so_far", Args::none()).await;
    assert_eq!(ran.expect("a count"), Value::from(1));
}

#[tokio::test]
async fn what_an_adapter_does_not_list_goes_to_its_execute_tool() {
    let pit = Pit::new();
    let worker = pit.launch(&pit.profile("specs.py")).await.worker;
    let args = Args::none().with("depth", 2);
    let answer = pit.call(&*worker, "unlisted", args).await;
    let arguments = Value::Map(Map::from([("depth", Value::from(2))]));
    let expected = vec!["unlisted".into(), arguments, "default_session".into()];
    assert_eq!(answer.expect("an answer"), Value::List(expected));
}
