-- Code is the code of one stack: what a person said last counts.

delete from adoptions older using adoptions newer
where (older.repository, older.branch, older.path, older.name)
        = (newer.repository, newer.branch, newer.path, newer.name)
    and (older.at, older.stack) < (newer.at, newer.stack);

alter table adoptions
    add constraint adoptions_once unique (repository, branch, path, name);
