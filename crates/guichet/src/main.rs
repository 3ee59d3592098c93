//! `guichet`: the counter where a citizen asks. One binary, one file per subcommand.

mod declarations;
mod oracle;

fn main() {}
