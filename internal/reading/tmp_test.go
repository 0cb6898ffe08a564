package reading_test
import ("testing";"time";"fmt";"sort";"math";"github.com/myriad-sim/myriad/internal/reading")
func TestTmp(t *testing.T){
 rs:=map[string]*reading.Reader{"n":number(t,0,100,6),"c":options(t,"a","a b","cooperate")}
 j,_:=reading.New(reading.Spec{ID:"guess",Type:"json"}); rs["j"]=j
 type row struct{s string; d float64}
 var rows []row
 big,small:=hostile(1<<16),hostile(1<<13)
 for u:=range big { for n,r:=range rs {
  f:=func(x string)float64{best:=math.Inf(1);for range 5{s:=time.Now();r.Rule(x);best=min(best,float64(time.Since(s)))};return best}
  a,b:=f(big[u]),f(small[u]); rows=append(rows,row{fmt.Sprintf("%s %q %.2fms ratio %.1f",n,u,a/1e6,a/b),a})}}
 sort.Slice(rows,func(i,k int)bool{return rows[i].d>rows[k].d})
 for _,r:=range rows[:14]{fmt.Println(r.s)}
}
