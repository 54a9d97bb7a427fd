//! [`Admission`]: somebody who may log in, and what they then see.

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use rustix::process::geteuid;
use wharf_core::{Denied, Grant};
use wharf_driver::Escape;
use wharf_s3::Bucket;
use wharf_storage::{Account, Begun, Blocking, Executor, OnCancel, Seats, Storage, run};

use crate::home::{Home, ROOT, is_root};

/// What somebody sees who logs in.
#[derive(Clone)]
pub enum Place {
    /// A directory, whatever stands under its name by then.
    Directory {
        /// The directory.
        home: Arc<Home>,
        /// It may be the root of the file system.
        may_be_root: bool,
    },
    /// A part of a bucket.
    Bucket(Bucket),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { home, .. } => f.debug_tuple("Directory").field(&home.name()).finish(),
            Self::Bucket(bucket) => f.debug_tuple("Bucket").field(bucket).finish(),
        }
    }
}

/// Somebody who may log in, and what they then see.
#[derive(Clone)]
pub struct Admission {
    /// What they may do. What their storage can do is told when they log in.
    pub grant: Grant,
    /// What they see.
    pub place: Place,
    /// Whose partials they continue: a name that no other account has.
    pub owner: Vec<u8>,
    /// Nobody logs in to it in clear text.
    pub demands_tls: bool,
    /// How many sessions they may have at once; `None`: any number.
    pub seats: Option<Seats>,
}

impl Admission {
    /// Lets somebody in who has shown who it is. A home is looked at anew and may keep one waiting: only
    /// those that hang with it.
    ///
    /// Fails with [`Denied::Unavailable`] if the home cannot be had, which is logged.
    pub fn enter(self: &Arc<Self>, executor: &dyn Executor) -> Begun<Account, Denied> {
        match &self.place {
            Place::Bucket(bucket) => Begun::Done(Ok(self.account(Arc::new(bucket.clone())))),
            Place::Directory { home, may_be_root } => {
                let (admission, home) = (Arc::clone(self), Arc::clone(home));
                let (group, may_be_root) = (home.group(), *may_be_root);
                Begun::Pending(run(executor, group, OnCancel::Leave, move |wanted| {
                    wanted.check()?;
                    admission.open(&home, may_be_root).map_err(|error| {
                        let (home, owner) = (home.name(), Escape(&admission.owner));
                        tracing::warn!(?home, account = ?owner, %error, "the home cannot be had");
                        Denied::Unavailable
                    })
                }))
            }
        }
    }

    fn open(&self, home: &Home, may_be_root: bool) -> io::Result<Account> {
        let root = home.open().map_err(|error| {
            if error.kind() == ErrorKind::PermissionDenied {
                let uid = geteuid().as_raw();
                let what = format!("uid {uid} cannot enter it: {error}");
                io::Error::new(ErrorKind::PermissionDenied, what)
            } else {
                error
            }
        })?;
        // Checked at each login: a path may lead elsewhere by now.
        if !may_be_root && is_root(&root) {
            return Err(io::Error::other(ROOT));
        }
        Ok(self.account(Arc::new(Blocking::new(root.account(&self.owner)?))))
    }

    fn account(&self, storage: Arc<dyn Storage>) -> Account {
        let mut grant = self.grant.clone();
        grant.capabilities = storage.capabilities();
        let mut account = Account::new(storage, grant.rights);
        account.grant = grant;
        account.demands_tls = self.demands_tls;
        account.seats = self.seats.clone();
        account
    }
}
