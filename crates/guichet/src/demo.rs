//! `guichet demo`: real requests of two cities on SQLite, everything projected, then served.

use std::{
    collections::BTreeMap,
    io::Write as _,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, ensure};
use chrono::{Months, NaiveDate};
use projections::statistics::{self, Selection};
use vault::{ApiKeys, MasterKey};

use crate::{
    cli::{DemoArgs, RoleName},
    config::Settings,
    import::{self, Days, Mapping, Report},
    key, listen, observe, serve,
    wire::{self, Site},
};

struct Published {
    mapping: &'static str,
    file: &'static str,
    /// The local month in which a request was opened; absent: the whole file.
    month: Option<(i32, u32)>,
}

const MONTREAL: Published =
    Published { mapping: "mappings/montreal.toml", file: "data/montreal/rats_2016-2017.json.gz", month: None };

const BOSTON: Published = Published {
    mapping: "mappings/boston.toml",
    file: "data/boston/requests_2011-07_to_10.csv.gz",
    month: Some((2011, 7)),
};

/// The keys that the first page's commands use.
const KEYS: &[(&str, RoleName)] = &[
    ("ville_quebec", RoleName::Portal),
    ("ville_quebec", RoleName::Agent),
    ("boston", RoleName::Portal),
    ("boston", RoleName::Agent),
    ("montreal", RoleName::Agent),
];

pub(crate) async fn run(args: DemoArgs, mut settings: Settings) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    ensure!(
        Path::new(MONTREAL.file).exists(),
        "the demo reads data/, mappings/ and declarations/: start it in the project's folder"
    );
    if args.fresh && args.dir.exists() {
        std::fs::remove_dir_all(&args.dir).with_context(|| format!("empty {}", args.dir.display()))?;
    }
    std::fs::create_dir_all(&args.dir).with_context(|| format!("make {}", args.dir.display()))?;
    settings.database = Some(format!("sqlite:{}", args.dir.join("data").display()));
    settings.master_key_file = Some(master_key(&args.dir)?);

    let metrics = observe::metrics()?;
    let stop = wire::stop_signal()?;
    let listener = if args.no_serve {
        None
    } else {
        Some(listen::bind(args.listen.or(settings.listen).unwrap_or(serve::DEFAULT)).await?)
    };
    let site = wire::site(&settings).await?;
    let workers = site.work(&stop);
    println!("Guichet, démonstration · demo: SQLite in {}", args.dir.display());
    for published in [MONTREAL, BOSTON] {
        say_import(&import(&site, &published, &args.dir).await?);
    }
    for models in site.models.values() {
        wire::catch_up(models).await?;
    }
    for slug in ["boston", "montreal"] {
        say_figures(&site, slug).await?;
    }
    let keys = keys(&site, &args.dir).await?;
    println!("Prêt en {:.1} s · ready in {:.1} s", start.elapsed().as_secs_f64(), start.elapsed().as_secs_f64());
    if let Some(listener) = listener {
        say_doors(&format!("http://{}", listener.local_addr()?), &keys);
        serve::serve(&site, listener, metrics, settings.public_url, stop).await;
    } else {
        stop.cancel();
    }
    for worker in workers {
        let _ = worker.await;
    }
    site.databases.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Made at the first run; the folder is a toy's, its key lies beside the data.
fn master_key(dir: &Path) -> anyhow::Result<PathBuf> {
    let path = dir.join("master.key");
    if !path.exists() {
        write_secret(&path, MasterKey::generate().to_base64().as_str())?;
    }
    Ok(path)
}

fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("make {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

async fn import(site: &Site, published: &Published, dir: &Path) -> anyhow::Result<Report> {
    let mapping = Mapping::read(Path::new(published.mapping))?;
    let organisation = site
        .application
        .by_slug(mapping.organisation.as_str())
        .with_context(|| format!("{} has no declaration", mapping.organisation))?;
    let rejects = dir.join(format!("{}.rej", mapping.source));
    let first = published.month.and_then(|(year, month)| NaiveDate::from_ymd_opt(year, month, 1));
    let days = Days { from: first, until: first.and_then(|day| day.checked_add_months(Months::new(1))) };
    import::import(&organisation, mapping, Path::new(published.file), days, rejects).await
}

fn say_import(report: &Report) {
    println!(
        "  {}: {} requests imported as {} events in {:.1} s ({} were there already, {} outside the demo, {} rejected)",
        report.organisation,
        report.imported,
        report.events,
        report.seconds,
        report.already,
        report.left_out,
        report.rejected
    );
}

async fn say_figures(site: &Site, slug: &str) -> anyhow::Result<()> {
    let models = &site.models[slug];
    let everything = Selection::default();
    let backlog = statistics::backlog(models, &everything).await?;
    let promises = statistics::promises(models, &everything, None, None).await?;
    let (owed, kept, missed) =
        promises.iter().fold((0, 0, 0), |sum, line| (sum.0 + line.owed, sum.1 + line.kept, sum.2 + line.missed));
    println!("  {slug}: {backlog} still open; {kept} promises kept, {missed} missed, {owed} still owed");
    Ok(())
}

/// Role and organisation to key. Kept in the folder, so that a command copied yesterday works today.
async fn keys(site: &Site, dir: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let path = dir.join("keys.json");
    if let Ok(text) = std::fs::read_to_string(&path) {
        return serde_json::from_str(&text).with_context(|| format!("read {}", path.display()));
    }
    let store = ApiKeys::new(site.databases.server().clone());
    let mut keys = BTreeMap::new();
    for (organisation, role) in KEYS {
        let key = key::create(&site.databases, &store, organisation, *role, "demo").await?;
        keys.insert(format!("{organisation}/{}", role.role()), key);
    }
    write_secret(&path, &serde_json::to_string_pretty(&keys)?)?;
    Ok(keys)
}

fn say_doors(url: &str, keys: &BTreeMap<String, String>) {
    let key = |name: &str| keys.get(name).map_or("?", String::as_str);
    println!(
        "
À ouvrir · open:
  {url}/                                                                  the first page
  {url}/open311/v2/services.json?jurisdiction_id=ville.quebec.qc.ca      what can be asked of Québec
  {url}/open311/v2/requests.json?jurisdiction_id=boston.gov&start_date=2011-07-01&end_date=2011-08-01

À essayer · try, as a citizen of Québec through a portal:
  curl {url}/open311/v2/requests.json -d api_key={} -d jurisdiction_id=ville.quebec.qc.ca \\
       -d service_code=nid_de_poule -d 'attribute[voie]=chaussee' -d 'attribute[accident]=non' \\
       -d lat=46.8139 -d long=-71.2080 -d 'description=Trou profond'

As an agent of Boston, what is overdue:
  curl -H 'Authorization: Bearer {}' '{url}/api/v1/queue?window=overdue'
",
        key("ville_quebec/portal"),
        key("boston/agent")
    );
}
