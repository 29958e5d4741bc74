//! The tests every profile has to pass, and the macro that makes them. Knows no profile.

mod calls;
mod cancelling;
mod dying;
mod launching;
mod streams;
mod support;
mod tools;

pub use calls::*;
pub use cancelling::*;
pub use dying::*;
pub use launching::*;
pub use streams::*;
pub use support::run;
pub use tools::*;

/// Tests a profile against the contract of [`WorkerProfile`](crate::WorkerProfile) and [`Worker`](crate::Worker).
///
/// The macro makes one test per promise, named after it. Put it into a module of an integration test, of a crate that has
/// `tokio` with `macros` and `rt-multi-thread` among its dependencies, and this crate with `test-util`. Its argument
/// is called for each test, within a tokio runtime, and returns the profile, or a
/// [`Subject`](crate::testing::Subject) that says what the profile cannot do.
///
/// ```
/// use snakepit_core::testing::{FakeProfile, Subject};
///
/// snakepit_core::conformance!(|| {
///     let profile = FakeProfile::new();
///     Subject::new(profile.clone()).left_over(move || profile.alive())
/// });
/// ```
///
/// Its workers have to offer these commands:
///
/// | command | what it does |
/// |---|---|
/// | `echo(value)` | returns the value; takes it by position and by name |
/// | `fail(message)` | raises an exception with that message |
/// | `count()` | returns how often it was called in this worker, itself included |
/// | `session()` | returns the session of the call, or null |
/// | `sleep(seconds)` | sleeps as long, then returns null; may be interrupted |
/// | `die()` | ends the worker at once, without an answer |
/// | `numbers(count)` | produces 0, 1, 2, ... below the count; called plainly it returns the list |
/// | `broken_numbers(count)` | produces the same, and then raises an exception |
/// | `ask(tool, value)` | asks that tool with the value, and returns its answer; only with [`Subject::with_tools`](crate::testing::Subject::with_tools) |
/// | `total(numbers)` | returns the sum of an input stream; the same |
#[macro_export]
macro_rules! conformance {
    ($subject:expr) => {
        $crate::conformance_tests! { $subject;
            a_launched_worker_says_what_it_offers
            many_workers_can_be_launched_at_once
            a_launch_dropped_at_any_time_leaves_nothing
            a_pool_that_is_dropped_leaves_nothing
            a_pool_that_is_shut_down_leaves_nothing
            echo_returns_exactly_what_it_was_given
            arguments_come_by_position_and_by_name
            large_values_pass
            an_unknown_command_is_an_error_and_nothing_more
            an_exception_is_an_error_and_nothing_more
            each_answer_reaches_its_own_call
            a_pool_of_two_runs_two_calls_at_the_same_time
            every_lane_of_a_worker_runs_at_the_same_time
            the_session_is_visible_to_the_command
            a_call_past_its_deadline_never_runs
            a_busy_worker_answers_a_ping
            a_stream_comes_in_order
            a_stream_waits_for_its_reader
            an_error_ends_a_stream_and_nothing_more
            a_stream_called_plainly_is_a_list
            a_plain_command_asked_for_a_stream_yields_one_value
            a_command_asks_a_tool_and_gets_its_answer
            a_tool_is_dropped_with_the_call_it_works_for
            a_stream_is_an_argument
            a_call_dropped_midway_costs_no_capacity
            a_stream_dropped_midway_costs_no_capacity
            calls_dropped_at_any_time_leave_no_answer_behind
            a_call_that_ended_is_cancelled_cleanly
            a_call_stopped_by_its_handle_costs_no_capacity
            a_drain_interrupts_what_is_left
            asking_where_a_call_is_does_not_disturb_it
            giving_memory_back_comes_to_an_end
            a_dying_worker_fails_its_call_at_once
            an_aborted_worker_fails_its_calls_at_once
            every_waiter_hears_of_the_exit
            a_worker_can_be_stopped_twice
            a_busy_worker_is_stopped_after_its_grace
            a_worker_that_is_gone_takes_no_calls
            a_lost_worker_is_replaced
        }
    };
}

/// The tests themselves.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($subject:expr; $($name:ident)*) => {$(
        #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let subject = ($subject)();
            $crate::testing::conformance::run(subject, $crate::testing::conformance::$name).await;
        }
    )*};
}
