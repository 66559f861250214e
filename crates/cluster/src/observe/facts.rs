//! What every part of a look reads.

use std::collections::HashMap;
use std::sync::Arc;

use teal_api::Rollout;
use teal_api::defaults::{Filled, SpecError};
use teal_api::rollout::{Traffic, TrafficService};
use teal_plan::record::Release;
use teal_plan::{Color, ContentHash, Record, Revision, Slot, Time};
use teal_traffic::RoleService;

use crate::charts::ChartSeen;
use crate::config::Config;
use crate::epochs::believed;
use crate::memory::Memory;
use crate::stores::{ObjectView, PodView, Stores};

use super::traffic::{Counting, Look};
use super::{Names, record, settings, traffic};

/// What is gathered once and read by every part of a look.
pub(crate) struct Facts<'a> {
    pub(super) stores: &'a Stores,
    pub(super) config: &'a Config,
    pub(super) rollout: &'a Rollout,
    pub(super) names: Names,
    pub(super) filled: Filled,
    /// Why the spec can't be used.
    pub(super) problem: Option<SpecError>,
    pub(super) traffic: Traffic,
    pub(super) traffic_waits: bool,
    pub(super) services: Vec<RoleService>,
    /// Services of the spec that count once a release that has them is live.
    pub(super) later: Vec<RoleService>,
    /// Live has none of the spec's Services.
    pub(super) apart: bool,
    pub(super) record: Record,
    /// The hash of `spec.release`.
    pub(super) hash: ContentHash,
    pub(super) objects: Vec<Arc<ObjectView>>,
    pub(super) pods: Vec<Arc<PodView>>,
    /// Places of pods by uid.
    pub(super) places: HashMap<String, usize>,
    /// What came of the chart, where the release is one.
    pub(super) chart: ChartSeen,
    pub(super) now: Time,
}

impl<'a> Facts<'a> {
    pub(super) fn gather(
        stores: &'a Stores,
        config: &'a Config,
        rollout: &'a Rollout,
        memory: &Memory,
        hash: ContentHash,
        now: Time,
    ) -> Self {
        let names = Names::of(rollout);
        let mut record = record(rollout);
        let pods = stores.pods.group(&names.namespace, &names.name);
        let live = record.live.filter(|live| live.hash != hash);
        let live = live.and_then(|live| memory.contents.get(&live.slot.revision));
        let counting = Counting::of(&Look { stores, config, rollout, names: &names, record: &record, live });
        let Counting { traffic, waits: traffic_waits, later, apart } = counting;
        record.baseline = traffic::baseline(&record.baseline, traffic::committed(rollout).as_ref(), &traffic);
        let (filled, problem) = settings::filled(rollout, &traffic, &record);
        let role = |service: &TrafficService| RoleService::new(&names.namespace, &service.name);
        let services = traffic.services.iter().map(role).collect();
        Self {
            stores,
            config,
            rollout,
            filled,
            problem,
            services,
            later,
            apart,
            record,
            traffic,
            traffic_waits,
            hash,
            objects: stores.objects_of(&names.namespace, &names.name),
            places: pods.iter().enumerate().map(|(place, pod)| (pod.uid.clone(), place)).collect(),
            pods,
            chart: ChartSeen::None,
            now,
            names,
        }
    }

    pub(super) fn pod(&self, uid: &str) -> Option<&Arc<PodView>> {
        self.places.get(uid).and_then(|place| self.pods.get(*place))
    }

    /// An object of this Rollout. Another's of the same name is none, however it is.
    pub(super) fn object(&self, group: &str, kind: &str, name: &str) -> Option<Arc<ObjectView>> {
        let there = self.stores.object(group, kind, &self.names.namespace, name);
        there.filter(|view| view.rollout == self.names.name)
    }

    /// The release that the record has in a color.
    pub(super) fn asked(&self, color: Color) -> Option<Release> {
        self.record.releases().find(|release| release.slot.color == color)
    }

    pub(super) fn revisions(&self) -> Vec<Revision> {
        self.record.releases().map(|release| release.slot.revision).collect()
    }

    /// An epoch on an object of this Rollout, as far as it is believed.
    pub(super) fn believed(&self, epoch: u64) -> u64 {
        believed(epoch, &self.record)
    }

    pub(super) fn is_live(&self, slot: Slot) -> bool {
        self.record.live.is_some_and(|live| live.slot == slot)
    }
}
