//! One progress bar for the long commands, on standard error, silent where nobody watches.

use indicatif::{ProgressBar, ProgressStyle};
use projections::{Phase, Progress};

pub(crate) fn bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{prefix} {msg} {bar:30} {human_pos}/{human_len} {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar
}

/// What `rebuild` and `check` tell, on a bar.
pub(crate) fn tell(bar: &ProgressBar) -> impl FnMut(Progress) + Send + use<> {
    let bar = bar.clone();
    move |progress| {
        bar.set_message(match progress.phase {
            Phase::Folding => "folding",
            Phase::Writing => "writing",
            Phase::Reading => "reading",
        });
        bar.set_length(progress.total.unsigned_abs());
        bar.set_position(progress.done.unsigned_abs());
    }
}
