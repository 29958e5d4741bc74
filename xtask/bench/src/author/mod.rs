//! What adapters' authors pay for what they use, each beside a call that does without.

mod sessions;
mod values;

use anyhow::Result;

use crate::report::Report;
use crate::setup::Setup;

pub(crate) fn run(setup: &Setup, report: &mut Report) -> Result<()> {
    sessions::run(setup, report)?;
    values::run(setup, report)
}
