//! The first page tells what was done, and its commands work as they stand.

use testkit::on_both_databases;

use crate::harness::House;

/// The cells of Québec's line, in French.
async fn figures(house: &House) -> Vec<String> {
    let page = house.get("/").await.is(200).text;
    let line = page.lines().find(|line| line.contains("scope=\"row\"")).expect("a line for each organisation");
    let cells = line.split("<td>").skip(1).map(|cell| cell.split("</td>").next().unwrap_or_default());
    let plain = cells.map(|cell| cell.trim_end_matches("</a>").rsplit('>').next().unwrap_or_default().to_owned());
    plain.collect()
}

/// The commands of one language, as they are pasted.
fn commands(page: &str) -> Vec<String> {
    let codes = page.split("<pre tabindex=\"0\"><code>").skip(1);
    let plain = codes.map(|code| code.split("</code>").next().unwrap_or_default());
    plain.map(|code| code.replace("&#39;", "'").replace("&quot;", "\"").replace("&amp;", "&")).collect()
}

/// What follows each `-d`.
fn form(command: &str) -> String {
    let fields = command.split(" -d ").skip(1).map(|field| field.trim_matches(['\'', '"', ' ', '\\', '\n']));
    let fields =
        fields.filter(|field| !field.starts_with("api_key=")).map(|field| field.trim_end_matches("' \\\n    "));
    fields.collect::<Vec<_>>().join("&").replace(' ', "+")
}

on_both_databases! {
    async fn it_shows_what_was_received_and_promised(fresh: Fresh) {
        let house = House::open(&fresh).await;
        house.submitted().await;
        house.catch_up().await;
        assert_eq!(figures(&house).await, ["1", "1", "0", "0", "1"]);
        // Asked again within the second, it does not ask the read models again.
        house.submitted().await;
        house.catch_up().await;
        let again = figures(&house).await;
        assert!(again == ["1", "1", "0", "0", "1"] || again == ["2", "2", "0", "0", "2"], "{again:?}");
    }

    async fn its_commands_work(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let page = house.get("/").await.is(200).text;
        let commands = commands(&page);
        let [read, submit, _, _] = commands.as_slice() else { panic!("two in each language: {commands:?}") };
        let address = read.trim_start_matches("curl '").trim_end_matches('\'').replace("https://311.example.org", "");
        house.get(&address).await.is(200);
        assert!(submit.starts_with("curl 'https://311.example.org/open311/v2/requests.json' -d \"api_key=$KEY\""));
        house.post_form("/open311/v2/requests.json", &form(submit), &[]).await.is(200);
    }

    async fn it_loads_nothing_and_runs_nothing(fresh: Fresh) {
        let house = House::open(&fresh).await;
        let page = house.get("/").await.is(200);
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert_eq!(page.header("content-language"), "fr, en");
        for foreign in ["<script", "<link", "<img", "src="] {
            assert!(!page.text.contains(foreign), "{foreign}");
        }
        for wanted in
            ["<html lang=\"fr\">", "<section id=\"en\" lang=\"en\">", "<th scope=\"col\">", "<th scope=\"row\">"]
        {
            assert!(page.text.contains(wanted), "{wanted}");
        }
    }
}
