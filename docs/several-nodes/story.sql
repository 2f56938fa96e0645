INSERT INTO organizations VALUES ('org-a','A',0);
INSERT INTO budgets (id, organization_id, calendar, limit_nusd, force, thresholds, created_at_us) VALUES ('budget_a','org-a','always',500,'hard','[]',0);
INSERT INTO accounts VALUES ('wallet:org-a',0,0,1000,0);
INSERT INTO nodes (id, epoch, batch, started_at_us) VALUES ('1',0,0,0),('2',0,0,0);
EXECUTE begin_epoch('1', 7, 1, 1000); EXECUTE begin_epoch('2', 8, 1, 1000);
EXECUTE open_pot('budget_a:0','budget_a',0,9223372036854775807);
BEGIN; EXECUTE fence('1',1); EXECUTE lock_wallets('{wallet:org-a}'); EXECUTE lock_pots('{budget_a:0}');
EXECUTE read_leases('{budget_a:0,wallet:org-a}','1');
EXECUTE write_leases('1', 1, '{budget_a:0,wallet:org-a}','{100,100}'); EXECUTE take_wallet('wallet:org-a',100); EXECUTE take_pot('budget_a:0',100); COMMIT;
-- register 30, quick 5
INSERT INTO new_holds VALUES ('h1',30); INSERT INTO settled VALUES ('q1',5);
EXECUTE commit_leases('1',1,'{h1,h1}','{budget_a:0,wallet:org-a}','{q1,q1}','{budget_a:0,wallet:org-a}','{}','{}');
SELECT pot_id, free_nusd FROM leases ORDER BY 1; -- 65, 65
-- end h1 at 20, return 10
TRUNCATE new_holds; TRUNCATE settled; INSERT INTO ended VALUES ('h1',30,'["budget_a:0","wallet:org-a"]',1); INSERT INTO settled VALUES ('h1',20);
EXECUTE commit_leases('1',1,'{}','{}','{h1,h1}','{budget_a:0,wallet:org-a}','{budget_a:0}','{10}');
SELECT pot_id, free_nusd FROM leases ORDER BY 1; -- 65, 75
SELECT taken_nusd, cap_nusd FROM pots; -- 90
-- more than is leased: refused by the database
TRUNCATE ended; TRUNCATE settled; INSERT INTO new_holds VALUES ('h2',70);
EXECUTE commit_leases('1',1,'{h2}','{budget_a:0}','{}','{}','{}','{}');
-- late: h3 of epoch 0
TRUNCATE new_holds; INSERT INTO ended VALUES ('h3',12,'["budget_a:0"]',0); INSERT INTO settled VALUES ('h3',2);
EXECUTE commit_leases('1',1,'{}','{}','{h3}','{budget_a:0}','{}','{}');
SELECT taken_nusd FROM pots; -- 80
EXECUTE recall('{budget_a:0}','2'); EXECUTE recalled('1');
EXECUTE set_pot_limit('budget_a', 50); SELECT limit_nusd, cap_nusd, taken_nusd FROM pots; 
EXECUTE take_back_pot('budget_a:0', 65); SELECT limit_nusd, cap_nusd, taken_nusd FROM pots;
EXECUTE renew('1',1,5000,0); EXECUTE renew('1',9,5000,0); EXECUTE living; EXECUTE clamp(5000); EXECUTE silent(99999999999); EXECUTE drop_leases('1'); EXECUTE end_epoch('1'); EXECUTE orphans(5); EXECUTE close_pots('budget_a', 9); EXECUTE lock_node('1');
