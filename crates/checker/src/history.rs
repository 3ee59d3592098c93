//! Operations, made of what the ledgers say of their attempts.

use std::collections::HashMap;

use crate::ledger::{
    Answered, Checkpoint, Compared, Ended, Invoke, Line, Read, Ready, Refused, Residue, Resumed, Saw, Unknown,
};

/// Everything that was written down in a run.
#[derive(Debug, Default)]
pub struct History {
    pub operations: Vec<Operation>,
    by_marker: HashMap<String, usize>,
    pub reads: Vec<Read>,
    /// What readers of the log saw, by reader, in the order it was handed to them.
    pub readers: Vec<(String, Vec<Seen>)>,
    pub planted: std::collections::HashSet<uuid::Uuid>,
    pub checkpoints: Vec<Checkpoint>,
    pub compared: Vec<Compared>,
    pub ready: Vec<Ready>,
    pub ended: Vec<Ended>,
    pub residue: Vec<Residue>,
    /// What was said of an operation that nobody announced.
    pub unannounced: Vec<String>,
}

/// One operation: however often it was sent, it may happen once.
#[derive(Debug)]
pub struct Operation {
    pub op: String,
    pub key: String,
    pub body: String,
    pub if_match: Option<String>,
    /// When it was first sent.
    pub invoked: u64,
    pub answers: Vec<Answered>,
    pub refusals: Vec<Refused>,
    pub unknown: Vec<Unknown>,
}

impl Operation {
    /// When somebody was first told that it is done.
    pub fn acknowledged(&self) -> Option<u64> {
        self.answers.iter().map(|answer| answer.t).min()
    }
}

/// One step of a reader of the log.
#[derive(Debug, Clone)]
pub enum Seen {
    Resumed { after: i64 },
    Event(Saw),
}

impl History {
    /// Of the lines of all ledgers; within a ledger in its order.
    pub fn of(lines: impl IntoIterator<Item = Line>) -> Self {
        let mut history = Self::default();
        let mut readers: HashMap<String, usize> = HashMap::new();
        let mut told = Vec::new();
        for line in lines {
            match line {
                Line::Invoke(invoke) => history.invoke(invoke),
                Line::Ok(_) | Line::Fail(_) | Line::Unknown(_) => told.push(line),
                Line::Read(read) => history.reads.push(read),
                Line::Resumed(Resumed { reader, after }) => {
                    history.reader(&mut readers, reader).push(Seen::Resumed { after });
                }
                Line::Saw(saw) => history.reader(&mut readers, saw.reader.clone()).push(Seen::Event(saw)),
                Line::Planted(planted) => drop(history.planted.insert(planted.id)),
                Line::Checkpoint(checkpoint) => history.checkpoints.push(checkpoint),
                Line::Compared(compared) => history.compared.push(compared),
                Line::Ready(ready) => history.ready.push(ready),
                Line::Ended(ended) => history.ended.push(ended),
                Line::Residue(residue) => history.residue.push(residue),
                Line::Fault(_) => {}
            }
        }
        // One operation may stand in several ledgers, so what is told of it waits until all are read.
        for line in told {
            history.tell(line);
        }
        history
    }

    pub(crate) fn index_of(&self, marker: &str) -> Option<usize> {
        self.by_marker.get(marker).copied()
    }

    fn invoke(&mut self, invoke: Invoke) {
        let Invoke { op, t, key, body, if_match } = invoke;
        if let Some(index) = self.by_marker.get(&op) {
            let operation = &mut self.operations[*index];
            operation.invoked = operation.invoked.min(t);
            return;
        }
        self.by_marker.insert(op.clone(), self.operations.len());
        self.operations.push(Operation {
            op,
            key,
            body,
            if_match,
            invoked: t,
            answers: Vec::new(),
            refusals: Vec::new(),
            unknown: Vec::new(),
        });
    }

    fn tell(&mut self, line: Line) {
        let (Line::Ok(Answered { op, .. }) | Line::Fail(Refused { op, .. }) | Line::Unknown(Unknown { op, .. })) =
            &line
        else {
            return;
        };
        let Some(index) = self.by_marker.get(op) else {
            self.unannounced.push(op.clone());
            return;
        };
        let operation = &mut self.operations[*index];
        match line {
            Line::Ok(answer) => operation.answers.push(answer),
            Line::Fail(refusal) => operation.refusals.push(refusal),
            Line::Unknown(unknown) => operation.unknown.push(unknown),
            _ => {}
        }
    }

    fn reader(&mut self, known: &mut HashMap<String, usize>, name: String) -> &mut Vec<Seen> {
        let index = *known.entry(name.clone()).or_insert_with(|| {
            self.readers.push((name, Vec::new()));
            self.readers.len() - 1
        });
        &mut self.readers[index].1
    }
}
