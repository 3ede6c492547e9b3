-- Nobody runs these but whom the console's post-migrate step names: the application gets the doors only.
REVOKE ALL ON FUNCTION public.ledger_post(
    text, text, text, date, text, text[], text[], bigint[], boolean[], text[], text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ledger_hold(text, text, bigint, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ledger_release_hold(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION public.ledger_roll_up(integer) FROM PUBLIC;
