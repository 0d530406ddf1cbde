-- Of what people were reminded about a gate: by policy and code, whatever was decided in between.

alter table gates
    add column told json;
