//! Metrics of the cluster. A server without a broker does not have them.

use metrics::{counter, describe_counter, describe_gauge, gauge};
use neffos::{Cluster, LinkState};

/// Describes the metrics.
pub(super) fn describe() {
    describe_gauge!(UP, "1 while messages go to the other servers and come from them, else 0.");
    describe_gauge!(STATE_SECONDS, "For how long that has been so.");
    describe_gauge!(LAG, "How long the last probe took over the broker and back; NaN while there is no link.");
    describe_gauge!(QUEUED, "Messages that wait to be published.");
    describe_gauge!(QUEUED_BYTES, "Bytes that they take.");
    describe_gauge!(SUBSCRIPTIONS, "Channels that this server subscribes to.");
    describe_gauge!(SERVERS, "Servers that hear each other, this one included.");
    describe_gauge!(CONNECTIONS, "Connections of all of them, as far as they have said so.");
    describe_gauge!(CONNECTIONS_AGE, "How old the oldest of their numbers is.");
    describe_counter!(PUBLISHED, "Messages that the broker has taken, those of servers about themselves included.");
    describe_counter!(RECEIVED, "Messages of other servers that arrived here.");
    describe_counter!(DROPPED, "Messages for other servers that found no room in the queue, or waited for too long.");
    describe_counter!(
        REFUSED,
        "Messages for other servers that the broker takes over no link, such as those too large."
    );
    describe_counter!(UNCERTAIN, "Messages that were on their way when a link was lost: they may have arrived.");
    describe_counter!(
        RECOVERED,
        "Messages of other servers that were missed without a link, and came when they were asked for."
    );
    describe_counter!(MISSED, "Messages of other servers that were no longer kept when this one requested them.");
    describe_counter!(STALE, "Messages dropped because later ones of the same server had arrived before.");
    describe_counter!(REJECTED, "Envelopes dropped because they were not signed, of another version, or broken.");
    describe_counter!(REPLAYED, "Signed envelopes dropped as replayed, too old, or of a node that does not answer.");
    describe_counter!(UNCONFIRMED, "Connects and joins answered before the broker had confirmed the subscription.");
    describe_counter!(LINKS, "Links to the broker that there have been.");
}

/// Sets the metrics to their current values.
pub(super) fn update(cluster: &Cluster) {
    let (status, total) = (cluster.status(), cluster.total_connections());
    gauge!(UP).set(f64::from(u8::from(status.state == LinkState::Up)));
    gauge!(STATE_SECONDS).set(status.lasted.as_secs_f64());
    gauge!(LAG).set(status.lag.map_or(f64::NAN, |lag| lag.as_secs_f64()));
    gauge!(CONNECTIONS_AGE).set(total.age.as_secs_f64());
    for (name, value) in [
        (QUEUED, status.queued),
        (QUEUED_BYTES, status.queued_bytes),
        (SUBSCRIPTIONS, status.subscriptions),
        (SERVERS, total.servers),
        (CONNECTIONS, usize::try_from(total.count).unwrap_or(usize::MAX)),
    ] {
        gauge!(name).set(super::as_float(value));
    }
    for (name, value) in [
        (PUBLISHED, status.published),
        (RECEIVED, status.received),
        (DROPPED, status.dropped),
        (REFUSED, status.refused),
        (UNCERTAIN, status.uncertain),
        (RECOVERED, status.recovered),
        (MISSED, status.missed),
        (STALE, status.stale),
        (REJECTED, status.rejected),
        (REPLAYED, status.replayed),
        (UNCONFIRMED, status.unconfirmed),
        (LINKS, status.links),
    ] {
        counter!(name).absolute(value);
    }
}

const UP: &str = "neffos_cluster_up";
const STATE_SECONDS: &str = "neffos_cluster_state_seconds";
const LAG: &str = "neffos_cluster_lag_seconds";
const QUEUED: &str = "neffos_cluster_queued_messages";
const QUEUED_BYTES: &str = "neffos_cluster_queued_bytes";
const SUBSCRIPTIONS: &str = "neffos_cluster_subscriptions";
const SERVERS: &str = "neffos_cluster_servers";
const CONNECTIONS: &str = "neffos_cluster_connections";
const CONNECTIONS_AGE: &str = "neffos_cluster_connections_age_seconds";
const PUBLISHED: &str = "neffos_cluster_published_total";
const RECEIVED: &str = "neffos_cluster_received_total";
const DROPPED: &str = "neffos_cluster_dropped_total";
const REFUSED: &str = "neffos_cluster_refused_total";
const UNCERTAIN: &str = "neffos_cluster_uncertain_total";
const RECOVERED: &str = "neffos_cluster_recovered_total";
const MISSED: &str = "neffos_cluster_missed_total";
const STALE: &str = "neffos_cluster_stale_total";
const REJECTED: &str = "neffos_cluster_rejected_total";
const REPLAYED: &str = "neffos_cluster_replayed_total";
const UNCONFIRMED: &str = "neffos_cluster_unconfirmed_total";
const LINKS: &str = "neffos_cluster_links_total";
