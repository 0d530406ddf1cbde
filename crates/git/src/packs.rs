//! Bringing small packs together. Each fetch that brings something writes a pack of its own, and who
//! looks for what is not here looks into all of them.

use std::{
    collections::BTreeSet,
    error::Error,
    fs,
    io::{self, BufReader, BufWriter, Seek, Write},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use gix::{
    ObjectId, Repository,
    hash::io::Write as Hashed,
    objs::Kind,
    odb::pack::{Bundle, bundle, data, index},
    progress::Discard,
    tempfile::{AutoRemove, ContainingDirectory},
    zlib::{Compression, stream::deflate},
};

/// How many small packs there are at most, after a fetch.
const SMALL_MAX: usize = 100;
/// What is larger is no small pack: to write it anew costs more than it hinders.
const SMALL_BYTES_MAX: u64 = 1024 * 1024;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Brings the small packs together in one, if there are too many. All that was here stays, also what
/// nothing leads to any more.
pub(crate) fn join_small(repository: &Repository, interrupt: &AtomicBool) -> Result<()> {
    let folder = repository.objects.store_ref().path().join("pack");
    let small = small(&folder)?;
    if small.len() <= SMALL_MAX {
        return Ok(());
    }
    let mut ids = BTreeSet::new();
    for pack in &small {
        let index = index::File::at(pack.with_extension("idx"), repository.object_hash())?;
        ids.extend(index.iter().map(|entry| entry.oid));
    }
    let mut file = gix::tempfile::new(&folder, ContainingDirectory::Exists, AutoRemove::Tempfile)?;
    let joined = file.with_mut(|file| {
        write(repository, &ids, BufWriter::new(&mut *file))?;
        file.rewind()?;
        let (mut pack, options) = (BufReader::new(file), bundle::write::Options::default());
        let no_bases = None::<gix::odb::Handle>;
        let kind = repository.object_hash();
        let into = Some(folder.as_path());
        let written = Bundle::write_to_directory(
            &mut pack,
            into,
            &mut Discard,
            interrupt,
            no_bases,
            kind,
            options,
        );
        Result::Ok(written?)
    })??;
    let (Some(data), Some(index)) = (&joined.data_path, &joined.index_path) else { return Ok(()) };
    // The only copy from now on, and nothing before this says that it is on disk.
    for written in [data, index, &folder] {
        fs::File::open(written)?.sync_all()?;
    }
    for pack in small.iter().filter(|pack| *pack != data) {
        // Who finds no index does not look for the pack.
        take_away(&pack.with_extension("idx"))?;
        take_away(pack)?;
    }
    joined.keep_path.as_deref().map_or(Ok(()), take_away)?;
    Ok(())
}

/// The small packs in a folder that nobody is about to write.
fn small(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut small = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_done = path.extension().is_some_and(|it| it == "pack")
            && path.with_extension("idx").exists()
            && !path.with_extension("keep").exists();
        if is_done && fs::metadata(&path)?.len() <= SMALL_BYTES_MAX {
            small.push(path);
        }
    }
    Ok(small)
}

/// Writes a pack of these objects, each in full.
fn write(repository: &Repository, ids: &BTreeSet<ObjectId>, file: impl Write) -> Result<()> {
    let hash = gix::hash::hasher(repository.object_hash());
    let mut pack = Hashed { hash, inner: file };
    pack.write_all(&data::header::encode(data::Version::V2, u32::try_from(ids.len())?))?;
    for id in ids {
        let object = repository.find_object(*id)?;
        let header = match object.kind {
            Kind::Commit => data::entry::Header::Commit,
            Kind::Tree => data::entry::Header::Tree,
            Kind::Blob => data::entry::Header::Blob,
            Kind::Tag => data::entry::Header::Tag,
        };
        header.write_to(object.data.len() as u64, &mut pack)?;
        let mut packed = deflate::Write::new(&mut pack, Compression::BEST_SPEED);
        packed.write_all(&object.data)?;
        packed.flush()?;
    }
    let Hashed { hash, mut inner } = pack;
    inner.write_all(hash.try_finalize()?.as_slice())?;
    Ok(inner.flush()?)
}

/// Another process may have been faster.
fn take_away(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
