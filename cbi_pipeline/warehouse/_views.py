"""The ``pub`` schema, which is what applications may build on, and views of other schemas."""

#: Its first figure changes when a column is renamed, retyped or removed, its second when a view or
#: a column is added. `data_contracts.published` says what each column is.
PUB_VERSION = "1.1.0"

PUB_VIEWS = {
    "version": f"""
        SELECT '{PUB_VERSION}' AS version, sequence AS publication FROM meta.commit""",
    "price": """
        SELECT p.commodity, p.session, p.price, s.unit, p.held_instrument AS instrument,
               p.available_at, p.available_basis
        FROM market.session p
        LEFT JOIN ref.series s ON s.series_id = p.held_instrument
        QUALIFY row_number() OVER (PARTITION BY p.commodity, p.session ORDER BY p.version DESC) = 1
            AND p.price IS NOT NULL
        ORDER BY p.commodity, p.session""",
    "forecast": """
        SELECT track, as_of, commodity, horizon, quantile, origin_session, target_session,
               origin_price, price, value AS log_return, up, volatility, model_version, issued_at,
               carried
        FROM issued.forecast
        QUALIFY track <> 'live' OR row(as_of, model_version) = arg_max(
            row(as_of, model_version), row(as_of, sequence)) OVER (PARTITION BY track, commodity,
                horizon, CAST(as_of AT TIME ZONE 'America/New_York' AS DATE))
        ORDER BY track, as_of, commodity, horizon, quantile""",
    "latest_forecast": """
        SELECT as_of, commodity, horizon, quantile, origin_session, target_session, origin_price,
               price, value AS log_return, up, volatility, model_version, issued_at, carried
        FROM issued.forecast
        WHERE track = 'live' AND as_of = (
            SELECT max(as_of) FROM (
                SELECT as_of FROM issued.forecast WHERE track = 'live'
                UNION ALL SELECT as_of FROM issued.abstention WHERE track = 'live'))
        QUALIFY model_version = arg_max(model_version, sequence) OVER (PARTITION BY commodity)
        ORDER BY commodity, horizon, quantile""",
    "score": """
        SELECT track, as_of, commodity, horizon, model_version, vintage, target_session,
               actual_price, actual AS log_return, pinball, covered, hit, error, naive_error
        FROM issued.score
        ORDER BY track, as_of, commodity, horizon, vintage""",
    "model": """
        SELECT version, recipe, fingerprint, state, as_of, run_id, note
        FROM registry.version
        ORDER BY version""",
    "freshness": """
        SELECT s.series_id, s.name, s.unit, s.frequency, s.source, s.rights,
               max(o.period) FILTER (o.status = 'value') AS newest_period,
               max(o.available_at) FILTER (o.newest) AS newest_available_at,
               max(o.seen_at) FILTER (o.newest) AS newest_seen_at,
               count(o.version) AS versions,
               avg((o.available_basis = 'assumed')::DOUBLE) AS assumed_share
        FROM ref.series s
        LEFT JOIN (
            SELECT series_id, period, status, version, available_at, available_basis, seen_at,
                   version = max(version) OVER (PARTITION BY series_id, period) AS newest
            FROM raw.observation
            UNION ALL
            SELECT series_id, CAST(ts_event AT TIME ZONE 'UTC' AS DATE), status, version,
                   available_at, available_basis, seen_at,
                   version = max(version) OVER (PARTITION BY series_id, ts_event)
            FROM raw.bar) o ON o.series_id = s.series_id
        ANTI JOIN (FROM ref.asked WHERE NOT asked) dropped ON dropped.series_id = s.series_id
        GROUP BY ALL
        ORDER BY s.series_id""",
    "quarantine": """
        SELECT feed, series_id, rule, column_name, value, fate, seen_at, locator, response_id,
               contract_version, period
        FROM quarantine.row
        ORDER BY seen_at, response_id, locator, rule""",
}

VIEWS = {
    **{f"pub.{name}": select for name, select in PUB_VIEWS.items()},
    "evaluation.forecast": """
        SELECT f.evaluation_id, f.recipe, f.fold, q.* EXCLUDE (fold_id)
        FROM evaluation.fold f JOIN evaluation.fold_forecast q USING (fold_id, commodity)""",
}
