-- { houses(first: 10) { nodes { id title checkedAt valueFen } } }
-- as: whole city
-- cost: at most 10 rows; 4 parameters
-- right: paper.house.read: the whole city

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($2 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($3 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($4 AS varchar)
                       , TRUE) AS area_hi
     )
  SELECT convert_to(CAST((SELECT row_to_json(house_connection__1) AS json
                          FROM (SELECT page__1.list0 AS nodes
                                FROM (SELECT COALESCE(json_agg(node__1)
                                                    , CAST('[]' AS pg_catalog.json)) AS list0
                                      FROM (SELECT CAST($1 AS varchar) || replace(CAST(houses__1.id AS text)
                                                                                , '-'
                                                                                , '') AS c0
                                                 , houses__1.number AS c1
                                                 , to_char(timezone('UTC', houses__1.checked_at)
                                                         , 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS c2
                                                 , houses__1.value_fen AS c3
                                            FROM houses AS houses__1
                                            WHERE houses__1.tenant_id = CAST($2 AS uuid)
                                            ORDER BY houses__1.number ASC
                                                   , houses__1.id ASC
                                            LIMIT 10) AS house__1
                                           INNER JOIN LATERAL (SELECT house__1.c0 AS id
                                                                    , house__1.c1 AS title
                                                                    , house__1.c2 AS "checkedAt"
                                                                    , house__1.c3 AS "valueFen") AS node__1 ON TRUE) AS page__1) AS house_connection__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
