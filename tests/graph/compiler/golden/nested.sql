-- { houses(first: 100) { nodes { id title use rooms builtOn people(first: 2) { nodes { id title phone bornOn } } } } }
-- as: one grid
-- cost: at most 300 rows; 9 parameters
-- right: paper.house.read: 1 area(s)
-- right: paper.person.read: 1 area(s)

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($3 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($8 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($9 AS varchar)
                       , TRUE) AS area_hi
     )
  SELECT convert_to(CAST((SELECT row_to_json(house_connection__1) AS json
                          FROM (SELECT page__2.list0 AS nodes
                                FROM (SELECT COALESCE(json_agg(node__2)
                                                    , CAST('[]' AS pg_catalog.json)) AS list0
                                      FROM (SELECT CAST($1 AS varchar) || replace(CAST(houses__1.id AS text)
                                                                                , '-'
                                                                                , '') AS c0
                                                 , houses__1.number AS c1
                                                 , CASE
                                                     WHEN houses__1.use = 'home'
                                                       THEN 'HOME'
                                                     WHEN houses__1.use = 'shop'
                                                       THEN 'SHOP'
                                                   END AS c2
                                                 , houses__1.rooms AS c3
                                                 , houses__1.built_on AS c4
                                                 , (SELECT row_to_json(person_connection__1) AS json
                                                    FROM (SELECT page__1.list0 AS nodes
                                                          FROM (SELECT COALESCE(json_agg(node__1)
                                                                              , CAST('[]' AS pg_catalog.json)) AS list0
                                                                FROM (SELECT CAST($2 AS varchar) || replace(CAST(people__1.id AS text)
                                                                                                          , '-'
                                                                                                          , '') AS c0
                                                                           , people__1.name AS c1
                                                                           , people__1.phone AS c2
                                                                           , people__1.born_on AS c3
                                                                      FROM people AS people__1
                                                                      WHERE people__1.tenant_id = CAST($3 AS uuid)
                                                                        AND people__1.area_path >= CAST($4 AS varchar)
                                                                        AND people__1.area_path < CAST($5 AS varchar)
                                                                        AND people__1.house_id = houses__1.id
                                                                      ORDER BY people__1.name ASC
                                                                             , people__1.id ASC
                                                                      LIMIT 2) AS person__1
                                                                     INNER JOIN LATERAL (SELECT person__1.c0 AS id
                                                                                              , person__1.c1 AS title
                                                                                              , person__1.c2 AS phone
                                                                                              , person__1.c3 AS "bornOn") AS node__1 ON TRUE) AS page__1) AS person_connection__1) AS c5
                                            FROM houses AS houses__1
                                            WHERE houses__1.tenant_id = CAST($3 AS uuid)
                                              AND houses__1.area_path >= CAST($6 AS varchar)
                                              AND houses__1.area_path < CAST($7 AS varchar)
                                            ORDER BY houses__1.number ASC
                                                   , houses__1.id ASC
                                            LIMIT 100) AS house__1
                                           INNER JOIN LATERAL (SELECT house__1.c0 AS id
                                                                    , house__1.c1 AS title
                                                                    , house__1.c2 AS use
                                                                    , house__1.c3 AS rooms
                                                                    , house__1.c4 AS "builtOn"
                                                                    , house__1.c5 AS people) AS node__2 ON TRUE) AS page__2) AS house_connection__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
