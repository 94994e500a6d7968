//! The exchange of a build without the feature `exchange`: a server is alone, and no value of these types exists.

use std::sync::Arc;

use crate::budget::Budget;
use crate::error::Error;
use crate::fanout::{Except, Place, Watch};
use crate::message::Message;
use crate::websocket::CloseFrame;

#[derive(Debug, Default)]
pub(crate) struct Plan;

impl Plan {
    #[expect(clippy::unnecessary_wraps, reason = "with the feature, it can fail")]
    pub(crate) fn begin(self, _budget: &Arc<Budget>) -> Result<Option<RunningNode>, Error> {
        Ok(None)
    }
}

#[derive(Debug)]
pub(crate) enum RunningNode {}

impl RunningNode {
    pub(crate) fn node(&self) -> &Arc<Node> {
        match *self {}
    }

    pub(crate) fn watch(&self) -> Arc<dyn Watch> {
        match *self {}
    }

    pub(crate) async fn leave(&self) {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Node {}

impl Node {
    pub(crate) fn broadcast(&self, _messages: &[Message], _except: &Except) {
        match *self {}
    }

    pub(crate) async fn reach(&self, _places: &[Place<'_>]) -> Claim {
        match *self {}
    }

    pub(crate) fn close(&self, _id: &str, _frame: &CloseFrame) {
        match *self {}
    }
}

#[derive(Debug)]
pub(crate) enum Claim {}
