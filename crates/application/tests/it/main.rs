//! The application on both databases: what a submission becomes, what an act does, who reads what is sealed.

mod access;
mod acts;
mod declarations;
mod fixture;
mod histories;
mod people;
mod sealing;
mod submissions;
