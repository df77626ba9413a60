-- Where there is no wait, none is noted: the moment of a clock that ran ahead would be a wait for the others. And what
-- such a clock has noted counts for nothing. A little of a debt is overlooked, a minute at most: attempts at once come in
-- another order than that of their moments.
--
-- Charges an attempt to all keys that apply, or to none when one of them refuses. `applies` is 0 for everybody,
-- 1 for strangers, 2 for the familiar; `firsts` is 0 for a steady rule. The arithmetic is that of `decide` in
-- crates/doorward/src/limits/rule.rs, and a test compares the two.
--
-- All who charge lock in the order of the keys. No lock outlives the statement that calls this.
CREATE OR REPLACE FUNCTION take_rate_limits(
    at BIGINT, familiar BYTEA, keys BYTEA[], applies SMALLINT[],
    bursts BIGINT[], periods BIGINT[], firsts BIGINT[], longests BIGINT[], memories BIGINT[], margin BIGINT,
    OUT refused INTEGER, OUT wait BIGINT, OUT is_familiar BOOLEAN
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    wanted BYTEA[];
    found_rows INTEGER;
BEGIN
    is_familiar := EXISTS (SELECT FROM rate_limits WHERE key = familiar AND familiar_until > at);
    wanted := ARRAY(
        SELECT key FROM unnest(keys, applies) AS charge (key, applies)
        WHERE applies = 0 OR (applies = 2) = is_familiar ORDER BY key
    );
    -- Looked at first without a lock, so that a flood of the refused costs reads and nothing else.
    FOR look IN 1..2 LOOP
        SELECT place - 1, least(free_at - at, longest) INTO refused, wait
        FROM unnest(keys, longests, memories) WITH ORDINALITY AS charge (key, longest, memory, place)
            JOIN rate_limits USING (key)
        WHERE key = ANY (wanted) AND free_at > at AND free_at <= at + longest + margin
            AND forgiven_at <= at + memory + margin
        ORDER BY 2 DESC, 1 LIMIT 1;
        IF found THEN
            RETURN;
        END IF;
        EXIT WHEN look = 2;
        -- Each statement sees what was committed before it: a row that is there and not found was purged.
        LOOP
            INSERT INTO rate_limits (key) SELECT key FROM unnest(wanted) AS key ORDER BY key ON CONFLICT DO NOTHING;
            PERFORM FROM rate_limits WHERE key = ANY (wanted) ORDER BY key FOR UPDATE;
            GET DIAGNOSTICS found_rows = ROW_COUNT;
            EXIT WHEN found_rows = cardinality(wanted);
        END LOOP;
    END LOOP;
    UPDATE rate_limits SET forgiven_at = next.forgiven_at, free_at = next.free_at
    FROM (
        SELECT key, forgiven_at,
            CASE
                WHEN first = 0 THEN forgiven_at - (burst - 1) * period
                WHEN owed < burst THEN 0
                ELSE at + least(longest, first * (1::bigint << least(owed - burst, 16)::integer))
            END AS free_at
        FROM (
            SELECT *, (greatest(forgiven_at - least(period / 20, margin) - at, 0) + period - 1) / period AS owed
            FROM (
                SELECT key, burst, period, first, longest,
                    least(
                        CASE
                            WHEN forgiven_at > at + memory + margin OR free_at > at + longest + margin THEN at
                            ELSE greatest(forgiven_at, at)
                        END + period,
                        at + memory
                    ) AS forgiven_at
                FROM unnest(keys, bursts, periods, firsts, longests, memories)
                    AS charge (key, burst, period, first, longest, memory) JOIN rate_limits USING (key)
                WHERE key = ANY (wanted)
            ) AS charged
        ) AS counted
    ) AS next
    WHERE rate_limits.key = next.key;
END
$$;

-- Takes one attempt back from each of `keys`, and forgets what `familiar` owes. The arithmetic is that of `give_back`.
CREATE OR REPLACE FUNCTION settle_rate_limits(
    at BIGINT, keys BYTEA[], bursts BIGINT[], periods BIGINT[], firsts BIGINT[], familiar BYTEA, until BIGINT
) RETURNS VOID LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    PERFORM FROM rate_limits WHERE key = ANY (keys || familiar) ORDER BY key FOR UPDATE;
    UPDATE rate_limits
    SET forgiven_at = rate_limits.forgiven_at - period,
        free_at = CASE
            WHEN first = 0 THEN free_at - period
            WHEN greatest(rate_limits.forgiven_at - period - least(period / 20, 60000000) - at, 0) + period - 1
                < burst * period THEN 0
            ELSE free_at
        END
    FROM unnest(keys, bursts, periods, firsts) AS charge (key, burst, period, first)
    WHERE rate_limits.key = charge.key;
    UPDATE rate_limits SET forgiven_at = 0, free_at = 0, familiar_until = until WHERE key = familiar;
END
$$;
