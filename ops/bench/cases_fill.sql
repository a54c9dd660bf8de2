-- A million cases of a city: deterministic, two years of them, one in fifty still open. $1 tenant, $2 and $3 the first and
-- the last number of this run, $4 how many there are in all, $5 when the last one was reported. Rows come as the services
-- write them: case, tracking code, report, first and last step, and the ledger of the case's own clock.
WITH grids AS (
  SELECT array_agg(id ORDER BY path) AS ids, array_agg(path ORDER BY path) AS paths FROM areas
  WHERE tenant_id = $1 AND depth = (SELECT max(depth) FROM areas WHERE tenant_id = $1)
), items AS (
  SELECT array_agg(m.id ORDER BY m.code) AS ids, array_agg(m.department_id ORDER BY m.code) AS departments,
    array_agg(w.id ORDER BY m.code) AS workflows
  FROM matters m JOIN workflow_versions w ON w.tenant_id = m.tenant_id AND w.code = m.workflow_code AND w.is_current
  WHERE m.tenant_id = $1 AND m.is_reportable
), staff AS (
  SELECT array_agg(id ORDER BY login) AS ids FROM accounts WHERE tenant_id = $1
), numbered AS (
  SELECT n, hashint8(n)::bigint & 2147483647 AS dice, hashint8(n + 7000000000) & 2147483647 AS luck,
    $5::timestamptz - ($4::bigint - n) * (interval '730 days' / $4::bigint) AS reported_at
  FROM generate_series($2::bigint, $3::bigint) AS n
), drawn AS (
  SELECT n, dice, luck, reported_at,
    (lpad(to_hex((extract(epoch FROM reported_at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8'
      || substr(md5(n::text), 4, 15))::uuid AS id,
    upper(substr(md5('t' || n), 1, 12)) AS code,
    grids.ids[1 + dice % cardinality(grids.ids)] AS area_id, grids.paths[1 + dice % cardinality(grids.ids)] AS area_path,
    items.ids[1 + luck % cardinality(items.ids)] AS matter_id,
    items.departments[1 + luck % cardinality(items.ids)] AS department_id,
    items.workflows[1 + luck % cardinality(items.ids)] AS workflow_id,
    staff.ids[1 + dice % cardinality(staff.ids)] AS reporter_id, staff.ids[1 + luck % cardinality(staff.ids)] AS worker_id,
    -- Mostly the latest are open; a few have been for long.
    (n > $4::bigint * 0.985 OR dice % 200 = 0) AS is_open,
    CASE WHEN dice % 4 = 0 THEN 'whistled' WHEN dice % 4 = 1 THEN 'handling' WHEN dice % 4 = 2 THEN 'resolved' ELSE 'found' END
      AS state,
    1800 + dice % 86400 AS response, 90000 + luck % 900000 AS closure
  FROM numbered, grids, items, staff
), known AS (
  SELECT *, CASE WHEN is_open THEN reported_at + interval '15 days' END AS due_at,
    is_open AND reported_at < $5::timestamptz - interval '15 days' AS is_late,
    jsonb_build_object('CASE', jsonb_build_object('limit', 1296000, 'is_working', false, 'started_at', to_json(reported_at),
      'state', NULL, 'running_since', to_json(reported_at), 'used', 0,
      'due_at', to_json(reported_at + interval '15 days'), 'warned', '[]'::jsonb, 'breached_at',
      CASE WHEN reported_at < $5::timestamptz - interval '15 days' THEN to_json(reported_at + interval '15 days') END,
      'level', 3, 'raised_at', NULL)) AS running
  FROM drawn
), cases_made AS (
  INSERT INTO cases (tenant_id, id, tracking_code, matter_id, workflow_id, state, light, is_open, priority, source,
    description, address, longitude, latitude, area_id, area_path, reporter_id, department_id, assignee_id, resolved_by_id,
    reported_at, accepted_at, resolved_at, closed_at, response_seconds, closure_seconds, due_at, breached_at, was_late,
    level, clocks, next_clock_at, satisfaction, reopen_count, report_count, step_count, entry_count, version, changed_at)
  SELECT $1, id, code, matter_id, workflow_id, CASE WHEN is_open THEN state ELSE 'closed' END,
    CASE WHEN NOT is_open THEN 'GREEN' WHEN state = 'found' THEN 'RED' WHEN state = 'resolved' THEN 'YELLOW' ELSE 'BLUE' END,
    is_open, CASE WHEN luck % 10 = 0 THEN 'HIGH' ELSE 'NORMAL' END, CASE WHEN dice % 3 = 0 THEN 'SNAP' ELSE 'GRID' END,
    'case ' || n, 'block ' || dice % 900, 129.4 + dice % 10000 / 50000.0, 42.85 + luck % 10000 / 50000.0,
    area_id, area_path, reporter_id, department_id, worker_id, CASE WHEN NOT is_open OR state = 'resolved' THEN worker_id END,
    reported_at, CASE WHEN NOT is_open OR state IN ('handling', 'resolved') THEN reported_at + response * interval '1 s' END,
    CASE WHEN NOT is_open OR state = 'resolved' THEN reported_at + (closure - 1) * interval '1 s' END,
    CASE WHEN NOT is_open THEN reported_at + closure * interval '1 s' END,
    CASE WHEN NOT is_open OR state IN ('handling', 'resolved') THEN response END, CASE WHEN NOT is_open THEN closure END,
    due_at, CASE WHEN is_late THEN due_at END, is_late OR luck % 20 = 0, CASE WHEN is_late THEN 3 ELSE 0 END,
    CASE WHEN is_open THEN running ELSE '{}'::jsonb END, CASE WHEN is_open AND NOT is_late THEN due_at END,
    CASE WHEN NOT is_open AND luck % 3 = 0 THEN 1 + dice % 5 END, CASE WHEN luck % 25 = 0 THEN 1 ELSE 0 END, 1, 2,
    CASE WHEN is_open THEN 2 ELSE 3 END, 3, reported_at + closure * interval '1 s'
  FROM known
), trackings_made AS (
  INSERT INTO case_trackings (tenant_id, id, code, case_id, matter_id, state_zh, state_en, light, is_open, reported_at,
    changed_at, closed_at)
  SELECT $1, id, code, id, matter_id, '状态', 'state', CASE WHEN is_open THEN 'RED' ELSE 'GREEN' END, is_open, reported_at,
    reported_at, CASE WHEN NOT is_open THEN reported_at + closure * interval '1 s' END
  FROM known
), reports_made AS (
  INSERT INTO case_reports (tenant_id, id, case_id, original_case_id, tracking_code, source, reporter_id, description,
    reported_at)
  SELECT $1, id, id, id, code, 'GRID', reporter_id, 'case ' || n, reported_at FROM known
), steps_made AS (
  INSERT INTO case_steps (tenant_id, id, case_id, number, verb, from_state, to_state, actor_id, happened_at)
  SELECT $1, (substr(id::text, 1, 35) || number)::uuid, id, number, CASE number WHEN 1 THEN 'REPORT' ELSE 'CLOSE' END,
    CASE number WHEN 2 THEN 'verified' END, CASE number WHEN 1 THEN 'found' ELSE 'closed' END, worker_id,
    reported_at + (number - 1) * closure * interval '1 s'
  FROM known, generate_series(1, 2) AS number WHERE NOT is_open OR number = 1
)
INSERT INTO case_clock_entries (tenant_id, id, case_id, number, kind, clock, at, recorded_at, limit_ms, is_working, due_at)
SELECT $1, (substr(id::text, 1, 35) || number)::uuid, id, number, (ARRAY['START', 'DEADLINE', 'STOP'])[number], 'CASE',
  CASE number WHEN 3 THEN reported_at + closure * interval '1 s' ELSE reported_at END, reported_at,
  CASE number WHEN 3 THEN NULL ELSE 1296000000 END, false,
  CASE number WHEN 2 THEN reported_at + interval '15 days' END
FROM known, generate_series(1, 3) AS number WHERE NOT is_open OR number < 3
