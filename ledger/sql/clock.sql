-- The platform's one clock. Every due time, default and "now" asks this function, never a host.
-- Tests and the demo may replace its body (as the owner) by one that adds an offset.
CREATE OR REPLACE FUNCTION public.platform_now() RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    AS 'SELECT pg_catalog.now()';
