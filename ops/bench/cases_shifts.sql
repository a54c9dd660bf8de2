-- 1,480 workers on shift in the grids of a city; made anew each time, for who is on shift now is not an hour later. $1 tenant.
WITH grids AS (
  SELECT id, path, row_number() OVER (ORDER BY path) AS place, count(*) OVER () AS places FROM areas
  WHERE tenant_id = $1 AND depth = (SELECT max(depth) FROM areas WHERE tenant_id = $1)
), people AS (
  SELECT n, md5('worker' || n)::uuid AS id, md5('shift' || n)::uuid AS shift_id, grids.id AS area_id, grids.path AS area_path
  FROM generate_series(1, 1480) AS n JOIN grids ON grids.place = 1 + n % grids.places
), workers_made AS (
  INSERT INTO grid_workers (tenant_id, id, name) SELECT $1, id, 'worker ' || n FROM people ON CONFLICT DO NOTHING
), shifts_made AS (
  INSERT INTO shifts (tenant_id, id, account_id, is_duty, area_id, area_path, starts_at, ends_at, checked_in_at)
  SELECT $1, shift_id, id, false, area_id, area_path, now() - interval '1 hour', now() + interval '7 hours',
    now() - interval '1 hour' FROM people
  ON CONFLICT (tenant_id, id) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at
)
INSERT INTO worker_positions (tenant_id, id, shift_id, area_id, area_path, recorded_at, visible_until, longitude, latitude)
SELECT $1, id, shift_id, area_id, area_path, now() - n * interval '1 s', now() + interval '7 hours', 129.4 + n / 10000.0,
  42.85 + n / 10000.0 FROM people
ON CONFLICT (tenant_id, id) DO UPDATE SET recorded_at = excluded.recorded_at, visible_until = excluded.visible_until
