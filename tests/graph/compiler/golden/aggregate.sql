-- { houseStats(by: [USE, DISTRICT]) { keys count valueFen } }
-- as: one grid
-- cost: at most 1000 rows; 6 parameters
-- right: paper.house.read: 1 area(s)
-- counted: houseStats: from houses

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($2 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($5 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($6 AS varchar)
                       , TRUE) AS area_hi
     )
  SELECT convert_to(CAST((SELECT COALESCE(json_agg(groups__1)
                                        , CAST('[]' AS pg_catalog.json)) AS json
                          FROM (SELECT json_build_array(CAST(counted__1."key 0" AS text)
                                                      , CAST($1 AS varchar) || replace(CAST(counted__1."key 1" AS text)
                                                                                     , '-'
                                                                                     , '')) AS keys
                                     , counted__1.count AS count
                                     , counted__1."sum valueFen" AS "valueFen"
                                FROM (SELECT houses__1.use AS "key 0"
                                           , houses__1.district_id AS "key 1"
                                           , count(*) AS count
                                           , COALESCE(CAST(sum(houses__1.value_fen) AS bigint)
                                                    , 0) AS "sum valueFen"
                                      FROM houses AS houses__1
                                      WHERE houses__1.tenant_id = CAST($2 AS uuid)
                                        AND houses__1.area_path >= CAST($3 AS varchar)
                                        AND houses__1.area_path < CAST($4 AS varchar)
                                      GROUP BY houses__1.use, houses__1.district_id
                                      ORDER BY count DESC
                                             , houses__1.use
                                             , houses__1.district_id
                                      LIMIT 1000) AS counted__1) AS groups__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
