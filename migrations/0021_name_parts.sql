-- Finding one or two letters anywhere in a name, too few for checks_name_part: an index of every letter and
-- every pair of neighbours. It needs no extension.

-- The letters and pairs of a name, in lower case, of an organisation: by their hashes with the organisation's,
-- so that what another one calls its checks costs a search nothing. Parts of a part are parts of the whole.
CREATE FUNCTION name_parts(org uuid, name text) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
COST 1000 AS $$
DECLARE
    seed CONSTANT bigint := uuid_hash_extended(org, 0);
    parts bigint[] := '{}';
    before text := '';
    letter text;
BEGIN
    FOREACH letter IN ARRAY string_to_array(lower(name), NULL) LOOP
        parts := parts || hashtextextended(letter, seed);
        IF before <> '' THEN
            parts := parts || hashtextextended(before || letter, seed);
        END IF;
        before := letter;
    END LOOP;
    RETURN parts;
END $$;

-- What decides whether a name has the part: the pairs, or the one letter that there is.
CREATE FUNCTION name_part_keys(org uuid, part text) RETURNS bigint[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN cardinality(k) = 1 THEN k
                ELSE ARRAY(SELECT k[2 * i + 1] FROM generate_series(1, (cardinality(k) - 1) / 2) AS i) END
    FROM (SELECT name_parts(org, part) AS k) AS parts
$$;

-- Nobody asks how frequent a pair is (store/sql/checks.sql): gathering that would take ANALYZE a second.
CREATE INDEX checks_name_pairs ON checks USING gin (name_parts(org_id, name));
ALTER INDEX checks_name_pairs ALTER COLUMN 1 SET STATISTICS 0;
