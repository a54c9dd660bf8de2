-- { people { nodes { phone bornOn house { described } } } }
-- as: forbidden
-- cost: at most 40 rows; 3 parameters
-- right: paper.house.read: the whole city
-- right: paper.person.read: the whole city
-- forbidden: people.nodes.*.phone: paper.person.phone
-- forbidden: people.nodes.*.bornOn: paper.person.birth
-- finished in Python: people.nodes.*.house.described

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($1 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($2 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($3 AS varchar)
                       , TRUE) AS area_hi
     )
  SELECT convert_to(CAST((SELECT row_to_json(person_connection__1) AS json
                          FROM (SELECT page__1.list0 AS nodes
                                FROM (SELECT COALESCE(json_agg(node__1)
                                                    , CAST('[]' AS pg_catalog.json)) AS list0
                                      FROM (SELECT (SELECT row_to_json(mark__1) AS json
                                                    FROM (SELECT 0 AS "!") AS mark__1) AS c0
                                                 , (SELECT row_to_json(mark__2) AS json
                                                    FROM (SELECT 1 AS "!") AS mark__2) AS c1
                                                 , (SELECT row_to_json(house__1) AS json
                                                    FROM (SELECT (SELECT row_to_json(mark__3) AS json
                                                                  FROM (SELECT 2 AS "!"
                                                                             , houses__1.number AS c0
                                                                             , houses__1.rooms AS c1
                                                                             , houses__1.built_on AS c2) AS mark__3) AS described
                                                          FROM houses AS houses__1
                                                          WHERE houses__1.tenant_id = CAST($1 AS uuid)
                                                            AND houses__1.id = people__1.house_id) AS house__1) AS c2
                                            FROM people AS people__1
                                            WHERE people__1.tenant_id = CAST($1 AS uuid)
                                            ORDER BY people__1.name ASC
                                                   , people__1.id ASC
                                            LIMIT 20) AS person__1
                                           INNER JOIN LATERAL (SELECT person__1.c0 AS phone
                                                                    , person__1.c1 AS "bornOn"
                                                                    , person__1.c2 AS house) AS node__1 ON TRUE) AS page__1) AS person_connection__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
