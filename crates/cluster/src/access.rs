//! Requests to the API server: each bounded in time, counted, and with its field manager named.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use kube::api::{
    DeleteParams, DynamicObject, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions,
};
use kube::core::{ApiResource, Request};
use serde_json::Value;
use teal_traffic::as_go_writes;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::Error;
use crate::stores::{read_value, version_in};

/// How many requests are under way at once. Each has a connection of its own, which keeps its memory until it was idle for long;
/// more than this many an API server doesn't answer any sooner.
const AT_ONCE: usize = 32;
/// Turns beside those for reads, which no webhook holds up, and for writes of routes: a webhook that hangs may hold all others.
const RESERVED: usize = 4;
/// And beside those for the writes that lead back where routes can't be written.
const LAST: usize = 4;
/// How long a kind that isn't served is not asked for again, by whomever and for whichever object.
const UNSERVED_FOR: Duration = Duration::from_secs(30);
/// How it is asked for.
const DISCOVERY: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
/// The kinds of these writes.
const LEAD_BACK: [&str; 2] = ["Service", "Rollout"];

/// Requests by verb and kind, since the start.
pub type Requests = BTreeMap<(&'static str, String), u64>;

/// The one door to the API server.
pub(crate) struct Access {
    client: Client,
    timeout: Duration,
    turns: Turns,
    requests: Mutex<Requests>,
    /// Kinds and versions that the API server didn't have, and when it said so.
    unserved: Mutex<BTreeMap<(String, String), Instant>>,
}

struct Turns {
    usual: Semaphore,
    reserved: Semaphore,
    last: Semaphore,
}

impl Turns {
    const fn new() -> Self {
        Self {
            usual: Semaphore::const_new(AT_ONCE),
            reserved: Semaphore::const_new(RESERVED),
            last: Semaphore::const_new(LAST),
        }
    }

    async fn next(&self, verb: &str, kind: &str) -> Option<SemaphorePermit<'_>> {
        let leads_back = LEAD_BACK.contains(&kind);
        let reserved = leads_back || kind == "VirtualService" || matches!(verb, "get" | "list");
        tokio::select! {
            biased;
            turn = self.usual.acquire() => turn.ok(),
            turn = self.reserved.acquire(), if reserved => turn.ok(),
            turn = self.last.acquire(), if leads_back => turn.ok(),
        }
    }
}

/// Which object a request is for.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) resource: &'a ApiResource,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
}

impl Target<'_> {
    fn request(&self) -> Request {
        use kube::Resource;
        let namespace = (!self.namespace.is_empty()).then_some(self.namespace);
        Request::new(DynamicObject::url_path(self.resource, namespace))
    }

    /// Names and versions come from what people wrote and become parts of the address as they are: what isn't a part by
    /// itself would ask for something else, with the rights of Teal.
    fn check(&self) -> Result<(), Error> {
        let version = self.resource.api_version.split('/');
        let mut parts = version.chain([self.resource.plural.as_str(), self.namespace, self.name]);
        match parts.find(|part| !is_part(part)) {
            Some(part) => Err(Error::Address { object: self.to_string(), part: part.to_owned() }),
            None => Ok(()),
        }
    }
}

fn is_part(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    text != "." && text != ".." && text.bytes().all(plain)
}

impl std::fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.resource.kind, self.namespace, self.name)
    }
}

impl Access {
    pub(crate) fn new(client: Client, timeout: Duration) -> Self {
        Self { client, timeout, turns: Turns::new(), requests: Mutex::default(), unserved: Mutex::default() }
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(crate) fn requests(&self) -> Requests {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The object, or nothing where there is none.
    pub(crate) async fn get(&self, target: Target<'_>) -> Result<Option<Value>, Error> {
        let request = target.request().get(target.name, &GetParams::default());
        match self.send("get", target, request).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn create(
        &self,
        target: Target<'_>,
        manager: &str,
        object: &Value,
    ) -> Result<Value, Error> {
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        let request = target.request().create(&params, encoded(target, object)?);
        self.send("create", target, request).await
    }

    /// Puts a whole object in the place of the version that it names.
    pub(crate) async fn replace(
        &self,
        target: Target<'_>,
        manager: &str,
        object: &Value,
    ) -> Result<Value, Error> {
        let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
        let request = target.request().replace(target.name, &params, encoded(target, object)?);
        self.send("replace", target, request).await
    }

    /// Server-side apply. Force: what a release says is Teal's to say; whose object it is was checked before.
    pub(crate) async fn apply(
        &self,
        target: Target<'_>,
        manager: &str,
        object: &Value,
    ) -> Result<Value, Error> {
        let params = PatchParams::apply(manager).force().validation_strict();
        let request = target.request().patch(target.name, &params, &Patch::Apply(object));
        self.send("apply", target, request).await
    }

    pub(crate) async fn patch(
        &self,
        target: Target<'_>,
        manager: &str,
        patch: json_patch::Patch,
    ) -> Result<Value, Error> {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        let request = target.request().patch(target.name, &params, &Patch::<Value>::Json(patch));
        let request = request.map(|made| made.map(|body| as_go_writes(&body)));
        self.send("patch", target, request).await
    }

    /// Merge patch of the object, or of its status.
    pub(crate) async fn merge(
        &self,
        target: Target<'_>,
        manager: &str,
        status: bool,
        patch: &Value,
    ) -> Result<Value, Error> {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        let request = if status {
            target.request().patch_subresource("status", target.name, &params, &patch)
        } else {
            target.request().patch(target.name, &params, &patch)
        };
        self.send(if status { "commit" } else { "merge" }, target, request).await
    }

    /// Merge patch of the status of an object that can't be read; its version afterwards.
    pub(crate) async fn tell(&self, target: Target<'_>, manager: &str, patch: &Value) -> Result<u64, Error> {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        let request =
            target.request().patch_subresource("status", target.name, &params, &Patch::Merge(patch));
        target.check()?;
        Ok(version_in(&self.text("commit", target, request).await?))
    }

    /// Deletes this very version of this very object. Gone already is as good.
    pub(crate) async fn delete(&self, target: Target<'_>, uid: &str, version: &str) -> Result<(), Error> {
        let preconditions =
            Preconditions { uid: Some(uid.to_owned()), resource_version: Some(version.to_owned()) };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
        let request = target.request().delete(target.name, &params);
        match self.send("delete", target, request).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The objects that a label selector matches.
    pub(crate) async fn list(
        &self,
        resource: &ApiResource,
        namespace: &str,
        labels: &str,
    ) -> Result<Vec<Value>, Error> {
        let target = Target { resource, namespace, name: "" };
        let request = target.request().list(&ListParams::default().labels(labels));
        let mut list = self.send("list", target, request).await?;
        Ok(list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default())
    }

    /// The first page of a list, and whether it is all.
    pub(crate) async fn page(
        &self,
        resource: &ApiResource,
        namespace: &str,
        fields: &str,
        limit: u32,
    ) -> Result<(Vec<Value>, bool), Error> {
        let target = Target { resource, namespace, name: "" };
        let mut params = ListParams::default().limit(limit);
        if !fields.is_empty() {
            params = params.fields(fields);
        }
        let mut list = self.send("list", target, target.request().list(&params)).await?;
        let more =
            list.pointer("/metadata/continue").and_then(Value::as_str).is_some_and(|mark| !mark.is_empty());
        let items = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
        Ok((items.unwrap_or_default(), !more))
    }

    /// All that the API server serves under `/api` or `/apis`, in one answer.
    pub(crate) async fn discover(&self, root: &str) -> Result<Value, Error> {
        let resource = ApiResource {
            kind: "discovery".into(),
            ..ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&())
        };
        let target = Target { resource: &resource, namespace: "", name: root };
        let request = http::Request::get(root).header(http::header::ACCEPT, DISCOVERY).body(Vec::new());
        let request = request.map_err(kube::core::request::Error::BuildRequest);
        self.ask("get", target, request).await
    }

    /// Any path, such as a list of what an API group has.
    pub(crate) async fn path(&self, path: &str) -> Result<Option<Value>, Error> {
        let resource = ApiResource {
            kind: "path".into(),
            ..ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&())
        };
        let target = Target { resource: &resource, namespace: "", name: path };
        let request = Request::new(path).list(&ListParams::default());
        match self.ask("get", target, request).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn send(
        &self,
        verb: &'static str,
        target: Target<'_>,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, Error> {
        target.check()?;
        let answer = self.ask(verb, target, request).await;
        if matches!(answer, Err(Error::Unserved { .. })) {
            self.unserved().insert(kind_of(target), Instant::now());
        }
        answer
    }

    /// Refuses what the API server said a moment ago that it has no such kind.
    pub(crate) fn check_served(&self, target: Target<'_>) -> Result<(), Error> {
        let mut unserved = self.unserved();
        unserved.retain(|_, at| at.elapsed() < UNSERVED_FOR);
        if unserved.contains_key(&kind_of(target)) { Err(Error::unserved(target)) } else { Ok(()) }
    }

    fn unserved(&self) -> MutexGuard<'_, BTreeMap<(String, String), Instant>> {
        self.unserved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(
        &self,
        verb: &'static str,
        target: Target<'_>,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Value, Error> {
        let failed = |source: kube::Error| Error::of_request(verb, target, source);
        let text = self.text(verb, target, request).await?;
        // Read here and not by the client, which would log all of what it can't read.
        serde_json::from_str(&text)
            .or_else(|error| read_value(&text).map_err(|_| failed(kube::Error::SerdeError(error))))
    }

    /// The answer as it came.
    async fn text(
        &self,
        verb: &'static str,
        target: Target<'_>,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<String, Error> {
        let failed = |source: kube::Error| Error::of_request(verb, target, source);
        let request = request.map_err(|source| failed(kube::Error::BuildRequest(source)))?;
        let _turn = self.turn(verb, target).await?;
        self.count(verb, &target.resource.kind);
        match self.bounded(self.client.request_text(request)).await {
            Some(Ok(text)) => Ok(text),
            Some(Err(source)) => Err(failed(source)),
            None => Err(Error::Timeout {
                verb,
                kind: target.resource.kind.clone(),
                name: format!("{}/{}", target.namespace, target.name),
                after: self.timeout,
            }),
        }
    }

    /// Waited for apart from the answer: what was never sent has changed nothing, and nobody need look again for it.
    async fn turn(
        &self,
        verb: &'static str,
        target: Target<'_>,
    ) -> Result<Option<SemaphorePermit<'_>>, Error> {
        let kind = target.resource.kind.as_str();
        // Whoever leads must say so in time, however much there is to do.
        if kind == "Lease" {
            return Ok(None);
        }
        self.bounded(self.turns.next(verb, kind)).await.ok_or_else(|| Error::NotSent {
            verb,
            kind: kind.to_owned(),
            name: format!("{}/{}", target.namespace, target.name),
            after: self.timeout,
        })
    }

    async fn bounded<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(self.timeout, call).await.ok()
    }

    fn count(&self, verb: &'static str, kind: &str) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((verb, kind.to_owned())).or_default() += 1;
    }
}

fn kind_of(target: Target<'_>) -> (String, String) {
    (target.resource.api_version.clone(), target.resource.kind.clone())
}

fn encoded(target: Target<'_>, object: &Value) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(object).map_err(|source| Error::Json { what: target.to_string(), source })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use http_body_util::Full;
    use kube::client::Body;

    use super::*;

    #[test]
    fn an_address_is_made_of_plain_parts() {
        let at = |version: &str, name: &str| {
            let resource = crate::kinds::SERVICE.at(version);
            Target { resource: &resource, namespace: "shop", name }.check().map_err(|error| error.to_string())
        };
        assert_eq!(at("v1", "web-blue.v2"), Ok(()));
        assert_eq!(at("v1", ""), Ok(()), "a list");
        for (version, name) in [
            ("v1", "../secrets"),
            ("v1", ".."),
            ("v1", "a?b"),
            ("v1", "a%2f"),
            ("v1/../x", "a"),
            ("v1?x=", "a"),
        ] {
            let refused = at(version, name).unwrap_err();
            assert!(refused.contains("write plain names and versions"), "{refused}");
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    /// Answers nothing until it is told to; and counts what was asked.
    fn held(gate: &Arc<Semaphore>, timeout: Duration) -> (Arc<Access>, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, gate) = (Arc::clone(&asked), Arc::clone(gate));
        let service = tower::service_fn(move |_: http::Request<Body>| {
            counted.fetch_add(1, Ordering::SeqCst);
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.map_err(|_| std::io::Error::other("closed"))?.forget();
                let body = Full::new(Bytes::from(r#"{"kind":"ConfigMap","apiVersion":"v1"}"#));
                Ok::<_, std::io::Error>(http::Response::new(body))
            }
        });
        (Arc::new(Access::new(Client::new(service, "shop"), timeout)), asked)
    }

    async fn delete(access: &Access, kind: &str, version: &str, plural: &str) -> Result<(), Error> {
        let resource = ApiResource {
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            api_version: version.to_owned(),
            ..ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&())
        };
        access.delete(Target { resource: &resource, namespace: "shop", name: "a" }, "1", "2").await
    }

    #[tokio::test]
    async fn only_so_many_requests_are_under_way_at_once_and_the_lease_waits_for_none() {
        let gate = Arc::new(Semaphore::new(0));
        let (access, asked) = held(&gate, LONG);
        let delete = |kind: &'static str, version: &'static str, plural: &'static str| {
            let access = Arc::clone(&access);
            async move { delete(&access, kind, version, plural).await }
        };
        let mut all = tokio::task::JoinSet::new();
        (0..AT_ONCE + 8).for_each(|_| drop(all.spawn(delete("ConfigMap", "v1", "configmaps"))));
        let reaches = async |count: usize| {
            while asked.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        };
        let bound = Duration::from_secs(20);
        tokio::time::timeout(bound, reaches(AT_ONCE)).await.expect("so many are let through");
        let stays = async |count: usize| {
            // All of one thread's tasks have had their turn by then.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(asked.load(Ordering::SeqCst), count);
        };
        stays(AT_ONCE).await;
        let route = || delete("VirtualService", "networking.istio.io/v1", "virtualservices");
        (0..RESERVED).for_each(|_| drop(all.spawn(route())));
        tokio::time::timeout(bound, reaches(AT_ONCE + RESERVED)).await.expect("what a way back asks");
        all.spawn(route());
        stays(AT_ONCE + RESERVED).await;
        (0..LAST).for_each(|_| drop(all.spawn(delete("Service", "v1", "services"))));
        let all_turns = AT_ONCE + RESERVED + LAST;
        tokio::time::timeout(bound, reaches(all_turns)).await.expect("what leads back without routes");
        all.spawn(delete("Service", "v1", "services"));
        stays(all_turns).await;
        all.spawn(delete("Lease", "coordination.k8s.io/v1", "leases"));
        tokio::time::timeout(bound, reaches(all_turns + 1)).await.expect("the lease");
        let sent = all_turns + 8 + 3;
        gate.add_permits(sent);
        while let Some(done) = all.join_next().await {
            done.expect("no panic").expect("an answer");
        }
        assert_eq!(asked.load(Ordering::SeqCst), sent);
    }

    #[tokio::test]
    async fn what_has_no_turn_in_time_was_not_sent_and_what_has_no_answer_may_be_carried_out() {
        let (access, asked) = held(&Arc::new(Semaphore::new(0)), Duration::from_millis(20));
        let turns = access.turns.usual.acquire_many(u32::try_from(AT_ONCE).unwrap()).await.unwrap();
        let waited = delete(&access, "ConfigMap", "v1", "configmaps").await.unwrap_err();
        assert!(matches!(waited, Error::NotSent { .. }) && !waited.is_unsure(), "{waited:?}");
        assert_eq!(waited.class(), crate::error::Class::Transient);
        assert!(waited.to_string().contains("delete ConfigMap shop/a was not sent"), "{waited}");
        assert_eq!((asked.load(Ordering::SeqCst), access.requests().len()), (0, 0));
        drop(turns);
        let sent = delete(&access, "ConfigMap", "v1", "configmaps").await.unwrap_err();
        assert!(matches!(sent, Error::Timeout { .. }) && sent.is_unsure(), "{sent:?}");
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    /// In the line before its turn it may wait for nearly as long again.
    #[tokio::test]
    async fn the_time_in_which_an_answer_comes_begins_with_the_turn() {
        let bound = Duration::from_secs(4);
        let gate = Arc::new(Semaphore::new(0));
        let (access, _) = held(&gate, bound);
        let waits = async {
            let turns = access.turns.usual.acquire_many(u32::try_from(AT_ONCE).unwrap()).await.unwrap();
            tokio::time::sleep(bound * 3 / 5).await;
            drop(turns);
            tokio::time::sleep(bound * 3 / 5).await;
            gate.add_permits(1);
        };
        let ((), answer) = tokio::join!(waits, delete(&access, "ConfigMap", "v1", "configmaps"));
        answer.expect("an answer");
    }
}
