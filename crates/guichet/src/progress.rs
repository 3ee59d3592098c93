//! Progress bars of the long commands, on standard error, silent where nobody watches.

use indicatif::{ProgressBar, ProgressStyle};
use projections::{Phase, Progress};

/// What is done to one organisation, counted in events or rows.
pub(crate) fn bar(what: &str) -> ProgressBar {
    let bar = styled("{prefix} {msg} {bar:30} {human_pos}/{human_len} {per_sec} {eta}");
    bar.set_prefix(what.to_owned());
    bar
}

/// A file being read, in bytes.
pub(crate) fn bar_of_file() -> ProgressBar {
    styled("{bar:40} {percent:>3} % {msg} {elapsed}, {eta} left")
}

fn styled(template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the templates of this file parse");
    ProgressBar::no_length().with_style(style)
}

/// What `rebuild` and `check` tell, on a bar.
pub(crate) fn tell(bar: &ProgressBar) -> impl FnMut(Progress) + Send + use<> {
    let bar = bar.clone();
    move |progress| {
        bar.set_message(match progress.phase {
            Phase::Folding => "folding",
            Phase::Reading => "reading",
        });
        bar.set_length(progress.total.unsigned_abs());
        bar.set_position(progress.done.unsigned_abs());
    }
}
