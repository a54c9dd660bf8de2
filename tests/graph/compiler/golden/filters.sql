-- query ($w: HouseFilter) { houses(where: $w) { nodes { id } } }
-- as: whole city
-- cost: at most 20 rows; 7 parameters
-- right: paper.house.read: the whole city
-- right: paper.person.read: the whole city

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($2 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($6 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($7 AS varchar)
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
                                              AND (houses__1.rooms >= CAST($3 AS integer)
                                                OR EXISTS (SELECT 1
                                                           FROM people AS people__1
                                                           WHERE people__1.tenant_id = CAST($2 AS uuid)
                                                             AND people__1.house_id = houses__1.id
                                                             AND people__1.name = ANY(CAST($4 AS text[]))) IS NOT TRUE)
                                              AND houses__1.number ^@ CAST($5 AS varchar)
                                            ORDER BY houses__1.number ASC
                                                   , houses__1.id ASC
                                            LIMIT 20) AS house__1
                                           INNER JOIN LATERAL (SELECT house__1.c0 AS id) AS node__1 ON TRUE) AS page__1) AS house_connection__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
