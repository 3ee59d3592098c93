//! What the queries answer.

use std::collections::HashSet;

use chrono::NaiveDate;
use domain::{declaration::Priority, request::Status};
use event_store::EventStore;
use projections::{
    Page, ReadModels,
    deadline_queue::{self, Window},
    person_history, planning_base, public_requests, request_timeline,
    statistics::{self, Delay, Dimension, Period, Selection},
};
use testkit::on_both_databases;

use crate::{
    harness::{caught_up, models, tell, work},
    story::{at, code, in_request, person, request, resolved, submitted, woven},
};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

on_both_databases! {
    async fn a_request_is_read_as_of_now_without_any_worker_going_on(fresh: Fresh) {
        let models = models(&fresh).await;
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        tell(&models, 0, &[in_request(request(1), submitted(request(1), 1))]).await;
        let one = public_requests::one(&models, request(1)).await.unwrap().unwrap();
        assert_eq!((one.revision, one.value.status), (0, Status::Received));
        // Past the checkpoint in more than one page of the stream.
        let note = crate::story::noted(2, domain::request::Visibility::Internal);
        let notes = vec![in_request(request(1), note); 70];
        tell(&models, 100, &notes).await;
        tell(&models, 1_000, &[in_request(request(1), resolved(3))]).await;
        let one = public_requests::one(&models, request(1)).await.unwrap().unwrap();
        assert_eq!((one.revision, one.value.status), (71, Status::Resolved));
        let timeline = request_timeline::of(&models, request(1)).await.unwrap().unwrap();
        assert_eq!(timeline.value.len(), 72);
        assert_eq!(statistics::promises_of(&models, request(1)).await.unwrap().unwrap().value, []);
        assert!(public_requests::one(&models, request(2)).await.unwrap().is_none());
    }

    async fn a_request_is_found_by_its_number_as_of_now(fresh: Fresh) {
        let models = models(&fresh).await;
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let number = crate::story::submission(request(1), 1).number;
        assert!(public_requests::by_number(&models, &number, &mut models.now()).await.unwrap().is_none());
        tell(&models, 0, &[in_request(request(1), submitted(request(1), 1))]).await;
        // No row yet: which request it is, only the log can tell.
        assert!(public_requests::by_number(&models, &number, &mut models.now()).await.unwrap().is_none());
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let status = async || public_requests::by_number(&models, &number, &mut models.now()).await.unwrap().unwrap().status;
        assert_eq!(status().await, Status::Received);
        tell(&models, 100, &[in_request(request(1), resolved(3))]).await;
        assert_eq!(status().await, Status::Resolved);
    }

    async fn a_row_of_another_history_is_not_shown_though_it_stands_at_the_head(fresh: Fresh) {
        let past = models(&fresh).await;
        tell(&past, 0, &[in_request(request(1), submitted(request(1), 1))]).await;
        projections::rebuild(&past, &[], &mut |_| {}).await.unwrap();
        // As if an older backup of the log had been put beneath the rows, and gone on.
        let entry = fresh.create_log("levis").await.unwrap();
        let log = EventStore::open(fresh.log(&entry).await.unwrap(), &entry).await.unwrap();
        let rows = fresh.read(&fresh.create_log("quebec").await.unwrap()).await.unwrap();
        let models = ReadModels::open(log, rows).await.unwrap();
        tell(&models, 0, &[in_request(request(2), submitted(request(2), 2))]).await;
        let number = crate::story::submission(request(1), 1).number;
        let found = async |models: &ReadModels| {
            public_requests::by_number(models, &number, &mut models.now()).await.unwrap().map(|row| row.request)
        };
        assert_eq!((found(&past).await, found(&models).await), (Some(request(1)), None));
    }

    async fn pages_hold_every_request_once_newest_first(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(30, 1)).await;
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let filter = public_requests::Filter::default();
        let (mut seen, mut page) = (Vec::new(), Page::first(7));
        loop {
            let rows = public_requests::list(&models, &filter, &page).await.unwrap();
            let Some(last) = rows.last() else { break };
            page = Page::after(public_requests::Cursor::of(last), 7);
            seen.extend(rows);
        }
        assert_eq!(seen.iter().map(|row| row.request).collect::<HashSet<_>>().len(), 30);
        assert!(seen.windows(2).all(|pair| pair[0].requested_at >= pair[1].requested_at));

        let numbers = Some(vec![seen[3].number.clone(), seen[5].number.clone()]);
        let some = public_requests::Filter { numbers, ..filter.clone() };
        assert_eq!(public_requests::list(&models, &some, &Page::first(9)).await.unwrap().len(), 2);
        let closed = public_requests::Filter { open: Some(false), ..filter.clone() };
        let closed = public_requests::list(&models, &closed, &Page::first(99)).await.unwrap();
        assert!(!closed.is_empty() && closed.iter().all(|row| row.closed_at.is_some()));
        let statuses = Some(vec![Status::Planned, Status::Waiting]);
        let some = public_requests::Filter { statuses, products: Some(vec![code("tree")]), ..filter };
        let some = public_requests::list(&models, &some, &Page::first(99)).await.unwrap();
        assert!(some.iter().all(|row| row.product == code("tree")));
    }

    async fn the_queue_tells_overdue_from_soon_and_paused(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(64, 1)).await;
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let list = async |window| {
            let filter = deadline_queue::Filter { window, ..Default::default() };
            deadline_queue::list(&models, &filter, &Page::first(1_000)).await.unwrap()
        };
        let all = list(Window::Open).await;
        let now = all[all.len() / 2].due_at;
        let overdue = list(Window::Overdue { now }).await;
        let soon = list(Window::Soon { now, until: at(10_000).to_utc() }).await;
        let paused = list(Window::Paused).await;
        assert!(overdue.iter().any(|owed| owed.due_at == now), "due_at is exclusive: overdue has begun");
        assert!(soon.iter().all(|owed| owed.due_at > now && !owed.paused));
        assert!(!paused.is_empty());
        assert_eq!(overdue.len() + soon.len() + paused.len(), all.len());

        let filter = deadline_queue::Filter { unit: Some(code("roads")), ..Default::default() };
        let roads = deadline_queue::list(&models, &filter, &Page::first(1_000)).await.unwrap();
        assert!(!roads.is_empty() && roads.iter().all(|owed| owed.unit == Some(code("roads"))));
        let after = Page::after(deadline_queue::Cursor::of(&all[9]), 1_000);
        let rest = deadline_queue::list(&models, &deadline_queue::Filter::default(), &after).await.unwrap();
        assert_eq!(rest, all[10..]);
    }

    async fn a_merged_person_is_read_as_one_until_unmerged(fresh: Fresh) {
        use domain::person::Event as P;
        let models = models(&fresh).await;
        let running = work(&models);
        let of = |number: u128, who| {
            let mut submission = crate::story::submission(request(number), number as i64);
            submission.requester = Some(person(who));
            in_request(request(number), domain::request::Event::Submitted(Box::new(submission)))
        };
        let merged = crate::story::in_person(person(2), P::Merged { at: at(5), into: person(1) });
        let chained = crate::story::in_person(person(3), P::Merged { at: at(6), into: person(2) });
        tell(&models, 0, &[of(1, 1), of(2, 2), of(3, 3), of(4, 4), merged, chained]).await;
        caught_up(&models).await;
        for number in 1..=3 {
            let matters = person_history::of(&models, person(number), &Page::default()).await.unwrap();
            assert_eq!(matters.iter().map(|row| row.request).collect::<Vec<_>>(), [request(3), request(2), request(1)]);
        }
        let unmerged = crate::story::in_person(person(2), P::Unmerged { at: at(7), from: person(1) });
        tell(&models, 100, &[unmerged]).await;
        caught_up(&models).await;
        assert_eq!(person_history::group_of(&models, person(3)).await.unwrap(), [person(2), person(3)]);
        running.end().await;
    }

    async fn the_planning_base_is_most_urgent_first(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(64, 1)).await;
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let filter = planning_base::Filter::default();
        let all = planning_base::list(&models, &filter, &Page::first(100)).await.unwrap();
        assert_eq!(all.len(), 8);
        assert!(all.iter().all(|row| row.priority == Priority::High && row.programme == code("trees-2027")));
        let after = Page::after(planning_base::Cursor::of(&all[2]), 100);
        assert_eq!(planning_base::list(&models, &filter, &after).await.unwrap(), all[3..]);
    }

    async fn figures_add_up(fresh: Fresh) {
        let models = models(&fresh).await;
        tell(&models, 0, &woven(64, 1)).await;
        projections::rebuild(&models, &[], &mut |_| {}).await.unwrap();
        let all = Selection::default();
        let whole = statistics::volume(&models, &all, None, None).await.unwrap();
        assert_eq!((whole.len(), whole[0].opened), (1, 64));
        for by in [Dimension::Channel, Dimension::Product, Dimension::Precision, Dimension::Area] {
            let parts = statistics::volume(&models, &all, Some(Period::Day), Some(by)).await.unwrap();
            assert_eq!(parts.iter().map(|part| part.opened).sum::<i64>(), 64);
            assert_eq!(parts.iter().map(|part| part.closed).sum::<i64>(), whole[0].closed);
        }
        assert_eq!(statistics::backlog(&models, &all).await.unwrap(), 64 - whole[0].closed);
        let first_week = Selection { from: Some(day("2026-06-01")), until: Some(day("2026-06-08")), ..all.clone() };
        let week = statistics::volume(&models, &first_week, Some(Period::Month), None).await.unwrap();
        assert_eq!(week[0].period, "2026-06");
        assert!(week[0].opened < 64);

        let promises = statistics::promises(&models, &all, None, None).await.unwrap();
        assert_eq!((promises.len(), promises[0].value.as_str()), (1, "felling-20"));
        let counted = &promises[0];
        // Sixty-four first promises, and a second where a request was reopened or recategorised.
        assert_eq!(counted.owed + counted.kept + counted.missed + counted.released, 64 + 16);
        assert_eq!(counted.percent_kept(), Some(100.0));

        let delays = statistics::delays(&models, &all, Delay::FirstAnswer).await.unwrap();
        assert_eq!(delays.count, 16);
        assert!(delays.median_seconds.unwrap() <= delays.p90_seconds.unwrap());
        let none = Selection { product: Some(code("snow")), ..all };
        let none = statistics::delays(&models, &none, Delay::Closing).await.unwrap();
        assert_eq!((none.count, none.median_seconds), (0, None));
    }
}
