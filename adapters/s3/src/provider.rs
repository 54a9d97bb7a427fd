//! [`Provider`]: in what the stores differ.

use std::time::Duration;

/// Who runs the store. It says what is known of it: how buckets are addressed, which names it takes,
/// and whether it keeps conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// Amazon S3.
    Aws,
    /// Tencent Cloud Object Storage.
    Cos,
    /// MinIO.
    Minio,
    /// The RADOS Gateway of Ceph.
    Ceph,
    /// Garage.
    Garage,
    /// Cloudflare R2.
    R2,
    /// Backblaze B2.
    B2,
    /// Google Cloud Storage.
    Gcs,
    /// SeaweedFS.
    Seaweedfs,
    /// Any other store that speaks S3.
    #[default]
    Other,
}

/// How a request names its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As the first part of the path: `https://store/bucket/key`.
    Path,
    /// As the first label of the host: `https://bucket.store/key`.
    Virtual,
}

/// How a store is told that an object must not be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// By that header with that value, on every request that makes an object.
    Header(&'static str, &'static str),
    /// By that header with that value, but only where an object is put in one piece.
    PutOnly(&'static str, &'static str),
    /// Not at all: what stands there can only be looked at before.
    None,
}

impl Condition {
    /// Returns whether the store looks at it where an object is made like that.
    pub(crate) const fn is_kept(self, in_one_piece: bool) -> bool {
        match self {
            Self::Header(..) => true,
            Self::PutOnly(..) => in_one_piece,
            Self::None => false,
        }
    }
}

const IF_NONE_MATCH: (&str, &str) = ("if-none-match", "*");

impl Provider {
    /// All of them, with the words by which a configuration names them.
    pub const ALL: [(&'static str, Self); 10] = [
        ("aws", Self::Aws),
        ("cos", Self::Cos),
        ("minio", Self::Minio),
        ("ceph", Self::Ceph),
        ("garage", Self::Garage),
        ("r2", Self::R2),
        ("b2", Self::B2),
        ("gcs", Self::Gcs),
        ("seaweedfs", Self::Seaweedfs),
        ("other", Self::Other),
    ];

    /// Returns how its buckets are addressed where nothing else is said.
    #[must_use]
    pub const fn style(self) -> Style {
        match self {
            Self::Aws | Self::Cos | Self::B2 => Style::Virtual,
            _ => Style::Path,
        }
    }

    /// Returns the host that serves a region, for stores that have one for each.
    #[must_use]
    pub fn host(self, region: &str) -> Option<String> {
        match self {
            Self::Aws if region.starts_with("cn-") => Some(format!("s3.{region}.amazonaws.com.cn")),
            Self::Aws => Some(format!("s3.{region}.amazonaws.com")),
            Self::Cos => Some(format!("cos.{region}.myqcloud.com")),
            Self::B2 => Some(format!("s3.{region}.backblazeb2.com")),
            Self::Gcs => Some("storage.googleapis.com".into()),
            _ => None,
        }
    }

    /// Returns how many bytes a key may have.
    #[must_use]
    pub const fn key_limit(self) -> usize {
        match self {
            Self::Cos => 850,
            Self::Garage => 1023,
            _ => 1024,
        }
    }

    /// Returns how many bytes each name in a key may have, where that is less than the whole key.
    #[must_use]
    pub const fn name_limit(self) -> usize {
        match self {
            Self::Seaweedfs => 255,
            other => other.key_limit(),
        }
    }

    /// Returns whether it takes a backslash for a slash, so that a name must not have one.
    #[must_use]
    pub const fn folds_backslash(self) -> bool {
        matches!(self, Self::Seaweedfs)
    }

    /// Returns whether it keeps the directories of objects that are gone.
    pub(crate) const fn keeps_folders(self) -> bool {
        matches!(self, Self::Seaweedfs)
    }

    /// Returns how it is told that nothing must be replaced.
    #[must_use]
    pub const fn condition(self) -> Condition {
        let (name, value) = IF_NONE_MATCH;
        match self {
            Self::Garage | Self::B2 => Condition::None,
            Self::Ceph => Condition::PutOnly(name, value),
            Self::Cos => Condition::Header("x-cos-forbid-overwrite", "true"),
            Self::Gcs => Condition::Header("x-goog-if-generation-match", "0"),
            _ => Condition::Header(name, value),
        }
    }

    /// Returns whether it compares `If-Match` where an object is made, as appending asks for.
    #[must_use]
    pub const fn keeps_if_match(self) -> bool {
        // Ceph refuses the right one too.
        !matches!(
            self,
            Self::Ceph | Self::Garage | Self::B2 | Self::Cos | Self::Gcs
        )
    }

    /// Returns whether a list goes on by a token that the last page told (ListObjectsV2), not by the last
    /// name of it (ListObjects).
    #[must_use]
    pub const fn lists_by_token(self) -> bool {
        // The token of SeaweedFS is a key as it is, which XML cannot hold if there are control characters in it.
        !matches!(self, Self::Cos | Self::Seaweedfs)
    }

    /// Returns for how long at most it keeps an upload that is not completed, where it has a limit of its
    /// own.
    #[must_use]
    pub const fn keeps_uploads(self) -> Option<Duration> {
        match self {
            Self::Minio => Some(Duration::from_secs(24 * 60 * 60)),
            Self::R2 => Some(Duration::from_secs(7 * 24 * 60 * 60)),
            _ => None,
        }
    }
}
