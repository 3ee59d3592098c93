//! `guichet bench`, for a second: what it says, what it leaves behind. What it measures is another machine's matter.

use serde_json::Value;

use crate::harness::Site;

#[test]
fn every_figure_is_told_with_its_goals() {
    let site = Site::on_sqlite();
    std::fs::create_dir(site.path("data")).expect("make the folder");
    let line = [
        "bench",
        "append",
        "servers",
        "streams",
        "replay",
        "disk",
        "--runs",
        "1",
        "--seconds",
        "1",
        "--events",
        "2000",
    ];
    let output = site.run(&[&line[..], &["--json"]].concat());
    // 3: a goal was missed, as it may be in a build for tests.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 3)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));

    let figures: Vec<Value> = serde_json::from_slice(&output.stdout).expect("an array of figures");
    let mut missed = false;
    for figure in &figures {
        let number = |name: &str| figure[name].as_f64().unwrap_or_else(|| panic!("no {name} in {figure}"));
        assert!(number("median") > 0.0, "{figure}");
        assert!(number("least") <= number("median") && number("median") <= number("most"), "{figure}");
        for judged in figure["goals"].as_array().into_iter().flatten() {
            assert!(judged["goal"].is_object(), "{figure}");
            missed |= !judged["reached"].as_bool().unwrap_or_else(|| panic!("not judged: {figure}"));
        }
    }
    assert_eq!(code == Some(3), missed, "the exit code says whether a goal was missed");

    let names: Vec<&str> = figures.iter().filter_map(|figure| figure["name"].as_str()).collect();
    for wanted in ["append, 256 appenders", "two servers, one log", "stream of 10 events", "replay of 2000", "disk"] {
        assert!(names.iter().any(|name| name.starts_with(wanted)), "{wanted} is not among {names:?}");
    }
    let left: Vec<_> = std::fs::read_dir(site.path("data")).expect("the folder is there").collect();
    assert!(left.is_empty(), "its scratch databases are left: {left:?}");
}
