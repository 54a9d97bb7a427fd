//! Which code may answer which command (I13).

use crate::command::Verb;

/// The codes of the final replies that Wharf gives to a verb, beside 421: these and no others.
///
/// The table of RFC 959 section 5.4 and its successors has nearly all of them. RFC 1123 section
/// 4.1.2.11 allows others of the right class; 450 and 451 are given wherever a storage may fail
/// for a moment.
#[must_use]
pub fn codes(verb: Option<Verb>) -> &'static [u16] {
    let Some(verb) = verb else {
        return &[500];
    };
    match verb {
        Verb::Abor => &[225, 226, 530],
        Verb::Acct => &[202, 501, 530],
        Verb::Allo => &[200, 452, 501, 530, 552],
        Verb::Pret => &[200, 501, 530],
        Verb::Appe => &[
            226, 425, 426, 450, 451, 452, 501, 502, 521, 522, 530, 550, 552, 553, 554,
        ],
        Verb::Auth => &[234, 501, 502, 503, 504],
        Verb::Avbl => &[213, 450, 451, 501, 502, 530, 550],
        Verb::Ccc => &[200, 501, 502, 533, 534],
        Verb::Cdup | Verb::Cwd | Verb::Mlst => &[250, 450, 451, 501, 530, 550],
        Verb::Clnt | Verb::Csid | Verb::Opts => &[200, 501],
        Verb::Dele | Verb::Rmd => &[250, 450, 451, 501, 502, 530, 550],
        Verb::Eprt | Verb::Port => &[200, 501, 502, 522, 530],
        Verb::Epsv => &[200, 229, 425, 501, 502, 522, 530],
        Verb::Feat => &[211, 501],
        Verb::Help => &[214, 504],
        Verb::Host => &[220, 501, 503],
        Verb::Lang => &[200, 504],
        Verb::List | Verb::Nlst | Verb::Mlsd => &[226, 425, 426, 450, 451, 501, 521, 522, 530, 550],
        Verb::Mdtm | Verb::Size => &[213, 450, 451, 501, 530, 550],
        Verb::Mff => &[213, 450, 451, 452, 501, 502, 504, 530, 550, 552, 553],
        Verb::Mfmt => &[213, 450, 451, 452, 501, 502, 530, 550, 552, 553],
        Verb::Mkd => &[257, 450, 451, 452, 501, 502, 530, 550, 552, 553],
        Verb::Mode | Verb::Stru | Verb::Type => &[200, 501, 504, 530],
        Verb::Noop => &[200],
        Verb::Pass => &[230, 503, 530],
        Verb::Pasv => &[227, 425, 501, 502, 530],
        Verb::Pbsz => &[200, 501, 502, 503],
        Verb::Prot => &[200, 501, 502, 503, 504, 534, 536],
        Verb::Pwd => &[257, 501, 530],
        Verb::Quit => &[221],
        Verb::Rein => &[220, 501, 530],
        Verb::Rest => &[350, 501, 530],
        Verb::Retr => &[226, 425, 426, 450, 451, 501, 521, 522, 530, 550, 554],
        Verb::Rnfr => &[350, 450, 451, 501, 502, 530, 550],
        Verb::Rnto => &[250, 450, 451, 452, 501, 502, 503, 530, 550, 552, 553],
        Verb::Site => &[200, 214, 450, 451, 452, 501, 502, 504, 530, 550, 552, 553],
        Verb::Stat => &[211, 212, 213, 450, 451, 501, 530, 550],
        Verb::Stor | Verb::Stou => &[
            226, 425, 426, 450, 451, 452, 501, 521, 522, 530, 550, 552, 553, 554,
        ],
        Verb::Syst => &[215, 501],
        Verb::User => &[232, 331, 501, 530],
        Verb::Absent => &[502],
        // Telling a client of another protocol what this is ends the session.
        Verb::Foreign => &[],
    }
}
