//! Calls about groups, pods and workers.

use http::Method;

use super::calls::path;
use super::http::Call;
use super::{Client, ClientError};
use crate::rest::{Changed, DrainRequest, Group, GroupPatch, Items, NoBody, Pod, PodPatch, Worker};

impl Client {
    /// All groups.
    pub async fn groups(&self) -> Result<Vec<Group>, ClientError> {
        self.items("groups").await
    }

    /// One group.
    pub async fn group(&self, name: &str) -> Result<Group, ClientError> {
        self.http.call(Call::get(path(&["groups", name]))).await
    }

    /// Changes a group; makes it when it is new.
    pub async fn set_group(&self, name: &str, body: &GroupPatch) -> Result<Changed, ClientError> {
        self.change(Method::PUT, path(&["groups", name]), body)
            .await
    }

    /// Holds the tasks of a group back, or lets them go on.
    pub async fn pause_group(&self, name: &str, on: bool) -> Result<Changed, ClientError> {
        self.act("groups", name, if on { "pause" } else { "resume" })
            .await
    }

    /// All pods.
    pub async fn pods(&self) -> Result<Vec<Pod>, ClientError> {
        self.items("pods").await
    }

    /// Changes a pod; makes it when it is new.
    pub async fn set_pod(&self, name: &str, body: &PodPatch) -> Result<Changed, ClientError> {
        self.change(Method::PUT, path(&["pods", name]), body).await
    }

    /// Gives a pod nothing new, or lets it have work again.
    pub async fn pause_pod(&self, name: &str, on: bool) -> Result<Changed, ClientError> {
        self.act("pods", name, if on { "pause" } else { "resume" })
            .await
    }

    /// Vouches that the sandboxes of a held pod are gone.
    pub async fn release_pod(&self, name: &str) -> Result<Changed, ClientError> {
        self.act("pods", name, "release").await
    }

    /// All workers.
    pub async fn workers(&self) -> Result<Vec<Worker>, ClientError> {
        self.items("workers").await
    }

    /// Gives a worker nothing new, or lets it have work again.
    pub async fn drain_worker(&self, name: &str, on: bool) -> Result<Changed, ClientError> {
        let body = DrainRequest { on };
        self.change(Method::POST, path(&["workers", name, "drain"]), &body)
            .await
    }

    async fn act(&self, kind: &str, name: &str, verb: &str) -> Result<Changed, ClientError> {
        self.change(Method::POST, path(&[kind, name, verb]), &NoBody {})
            .await
    }

    async fn items<T: serde::de::DeserializeOwned>(
        &self,
        kind: &str,
    ) -> Result<Vec<T>, ClientError> {
        let list: Items<T> = self.http.call(Call::get(path(&[kind]))).await?;
        Ok(list.items)
    }
}
