//! The password where the URL has none: `PGPASSWORD`, then the password file, as libpq has them.

use std::path::PathBuf;

use tokio_postgres::Config;

use super::options::host_name;

#[expect(clippy::disallowed_methods, reason = "libpq's own variables: what an operator sets for psql serves here too")]
pub(super) fn find(config: &Config) -> Option<String> {
    if let Ok(password) = std::env::var("PGPASSWORD") {
        return Some(password);
    }
    let file = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let file = file.or_else(|| std::env::home_dir().map(|home| home.join(".pgpass")))?;
    let text = read_private(&file)?;
    let user = config.get_user()?;
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    in_file(&text, [&host_name(config), &port, config.get_dbname().unwrap_or(user), user])
}

/// A file that others may read is not believed, as with libpq.
#[cfg(unix)]
fn read_private(file: &std::path::Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let for_others = std::fs::metadata(file).ok()?.permissions().mode() & 0o077;
    if for_others == 0 { std::fs::read_to_string(file).ok() } else { None }
}

#[cfg(not(unix))]
fn read_private(file: &std::path::Path) -> Option<String> {
    std::fs::read_to_string(file).ok()
}

/// The first line of `host:port:database:user:password` that fits; `*` fits anything, a backslash keeps a colon.
fn in_file(text: &str, asked: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let (wanted, password) = fields.split_at_checked(4)?;
        let fits = wanted.iter().zip(asked).all(|(field, asked)| field == "*" || field == asked);
        password.first().filter(|_| fits).cloned()
    })
}

fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut letters) = (vec![String::new()], line.chars());
    while let Some(letter) = letters.next() {
        let field = fields.len() - 1;
        match letter {
            // The password is the rest, colons and all.
            ':' if field < 4 => fields.push(String::new()),
            '\\' => fields[field].extend(letters.next()),
            letter => fields[field].push(letter),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let file = "# ours\nother:*:*:*:no\n*:5433:*:*:no\nh:5432:guichet:u:a\\:b:c\n*:*:*:*:late";
        assert_eq!(in_file(file, ["h", "5432", "guichet", "u"]).as_deref(), Some("a:b:c"));
        assert_eq!(in_file(file, ["h", "5432", "autre", "u"]).as_deref(), Some("late"));
        assert_eq!(in_file("h:5432:guichet:u", ["h", "5432", "guichet", "u"]), None);
    }
}
