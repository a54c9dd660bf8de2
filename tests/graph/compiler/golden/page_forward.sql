-- query ($after: String) { houses(first: 10, after: $after, orderBy: [{by: NUMBER}]) { edges { cursor node { title } } pageInfo { hasNextPage endCursor } totalCount } }
-- as: whole city
-- cost: at most 11 rows; 6 parameters
-- right: paper.house.read: the whole city

WITH ctx AS MATERIALIZED (
       SELECT set_config('app.tenant_id'
                       , CAST(CAST($1 AS uuid) AS text)
                       , TRUE) AS tenant
            , set_config('app.area_lo'
                       , CAST($5 AS varchar)
                       , TRUE) AS area_lo
            , set_config('app.area_hi'
                       , CAST($6 AS varchar)
                       , TRUE) AS area_hi
     )
  SELECT convert_to(CAST((SELECT row_to_json(house_connection__1) AS json
                          FROM (SELECT page__1.list0 AS edges
                                     , (SELECT row_to_json(page_info__1) AS json
                                        FROM (SELECT page__1."has more" AS "hasNextPage"
                                                   , page__1."endCursor of page" AS "endCursor") AS page_info__1) AS "pageInfo"
                                     , (SELECT count(*) AS total
                                        FROM houses AS houses__2
                                        WHERE houses__2.tenant_id = CAST($1 AS uuid)) AS "totalCount"
                                FROM (SELECT COALESCE(json_agg(edge__1) FILTER (WHERE numbered__1.number <= 10)
                                                    , CAST('[]' AS pg_catalog.json)) AS list0
                                           , count(*) > 10 AS "has more"
                                           , json_agg(numbered__1.cursor) FILTER (WHERE numbered__1.number <= 10) ->> -1 AS "endCursor of page"
                                      FROM (SELECT house__1.c0 AS c0
                                                 , house__1.cursor AS cursor
                                                 , row_number() OVER () AS number
                                            FROM (SELECT houses__1.number AS c0
                                                       , translate(encode(convert_to(CAST(json_build_array(CAST($2 AS varchar)
                                                                                                         , houses__1.number
                                                                                                         , houses__1.id) AS text)
                                                                                   , 'UTF8')
                                                                        , 'base64')
                                                                 , '+/=
'
                                                                 , '-_') AS cursor
                                                  FROM houses AS houses__1
                                                  WHERE houses__1.tenant_id = CAST($1 AS uuid)
                                                    AND (houses__1.number, houses__1.id) > (CAST($3 AS varchar)
                                                                                          , CAST($4 AS uuid))
                                                  ORDER BY houses__1.number ASC
                                                         , houses__1.id ASC
                                                  LIMIT 11) AS house__1) AS numbered__1
                                           INNER JOIN LATERAL (SELECT numbered__1.c0 AS title) AS node__1 ON TRUE
                                           INNER JOIN LATERAL (SELECT numbered__1.cursor AS cursor
                                                                    , to_json(node__1) AS node) AS edge__1 ON TRUE) AS page__1) AS house_connection__1) AS text)
                  , 'UTF8') AS r0
  FROM ctx
