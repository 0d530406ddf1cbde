-- What an issuer of identities says of who approved over HTTP.

alter table reviews
    -- The groups they belong to, by the issuer's own names.
    add column groups json;
