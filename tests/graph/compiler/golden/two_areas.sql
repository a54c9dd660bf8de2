-- { houses(first: 10) { nodes { id } } }
-- as: two areas
-- cost: at most 10 rows; 8 parameters
-- right: paper.house.read: 2 area(s)

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($2 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($7 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($8 AS varchar)
                       , TRUE) AS area_hi
     )
  SELECT convert_to(CAST((SELECT row_to_json(house_connection__1) AS json
                          FROM (SELECT page__1.list0 AS nodes
                                FROM (SELECT COALESCE(json_agg(node__1)
                                                    , CAST('[]' AS pg_catalog.json)) AS list0
                                      FROM (SELECT CAST($1 AS varchar) || replace(CAST(houses__1.id AS text)
                                                                                , '-'
                                                                                , '') AS c0
                                            FROM houses AS houses__1
                                            WHERE houses__1.tenant_id = CAST($2 AS uuid)
                                              AND ((houses__1.area_path >= CAST($3 AS varchar)
                                                AND houses__1.area_path < CAST($4 AS varchar))
                                                OR (houses__1.area_path >= CAST($5 AS varchar)
                                                AND houses__1.area_path < CAST($6 AS varchar)))
                                            ORDER BY houses__1.number ASC
                                                   , houses__1.id ASC
                                            LIMIT 10) AS house__1
                                           INNER JOIN LATERAL (SELECT house__1.c0 AS id) AS node__1 ON TRUE) AS page__1) AS house_connection__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
