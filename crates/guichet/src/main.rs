//! `guichet`: the counter where a citizen asks. One binary, one file per subcommand.

fn main() {}
