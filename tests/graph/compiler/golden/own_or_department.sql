-- { people(first: 10) { nodes { id } } }
-- as: own
-- cost: at most 10 rows; 7 parameters
-- right: paper.person.read: 1 area(s), own rows

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
  SELECT convert_to(CAST((SELECT row_to_json(person_connection__1) AS json
                          FROM (SELECT page__1.list0 AS nodes
                                FROM (SELECT COALESCE(json_agg(node__1)
                                                    , CAST('[]' AS pg_catalog.json)) AS list0
                                      FROM (SELECT CAST($1 AS varchar) || replace(CAST(people__1.id AS text)
                                                                                , '-'
                                                                                , '') AS c0
                                            FROM people AS people__1
                                            WHERE people__1.tenant_id = CAST($2 AS uuid)
                                              AND ((people__1.area_path >= CAST($3 AS varchar)
                                                AND people__1.area_path < CAST($4 AS varchar))
                                                OR people__1.account_id = CAST($5 AS uuid))
                                            ORDER BY people__1.name ASC
                                                   , people__1.id ASC
                                            LIMIT 10) AS person__1
                                           INNER JOIN LATERAL (SELECT person__1.c0 AS id) AS node__1 ON TRUE) AS page__1) AS person_connection__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
