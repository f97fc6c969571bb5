// Asynq's side of bench/queue, as its documentation uses it.
//
//	asynq_peer enqueue URL JOBS [RATE]   16 at a time: it has no bulk enqueue
//	asynq_peer work URL                  until SIGTERM; then says what it saw as JSON
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
)

const (
	queue     = "bench"
	senders   = 16
	runners   = 200
	paceEvery = 100 * time.Microsecond
)

type args struct {
	AtUs int64 `json:"at_us,omitempty"`
}

func seconds(t time.Time) float64 { return float64(t.UnixMicro()) / 1e6 }

func enqueue(opt asynq.RedisConnOpt, jobs, rate int) error {
	client := asynq.NewClient(opt)
	defer client.Close()
	began := time.Now()
	due := make(chan bool, senders)
	failed := make(chan error, senders)
	var sending sync.WaitGroup
	for i := 0; i < senders; i++ {
		sending.Add(1)
		go func() {
			defer sending.Done()
			for range due {
				a := args{}
				if rate > 0 {
					a.AtUs = time.Now().UnixMicro()
				}
				payload, _ := json.Marshal(a)
				if _, err := client.Enqueue(asynq.NewTask("noop", payload), asynq.Queue(queue)); err != nil {
					failed <- err
					return
				}
			}
		}()
	}
	for sent := 0; sent < jobs; {
		count := jobs - sent
		if rate > 0 {
			count = min(count, int(time.Since(began).Seconds()*float64(rate))-sent)
		}
		for i := 0; i < count; i++ {
			select {
			case due <- true:
			case err := <-failed:
				return err
			}
		}
		sent += count
		if count == 0 {
			time.Sleep(paceEvery)
		}
	}
	close(due)
	sending.Wait()
	fmt.Printf("{\"began\":%f,\"ended\":%f,\"jobs\":%d}\n", seconds(began), seconds(time.Now()), jobs)
	return nil
}

type seen struct {
	lock sync.Mutex
	us   []int64
}

func (s *seen) run(_ context.Context, t *asynq.Task) error {
	var a args
	if err := json.Unmarshal(t.Payload(), &a); err != nil {
		return err
	}
	if a.AtUs > 0 {
		s.lock.Lock()
		s.us = append(s.us, time.Now().UnixMicro()-a.AtUs)
		s.lock.Unlock()
	}
	return nil
}

func (s *seen) quantile(q float64) int64 {
	if len(s.us) == 0 {
		return 0
	}
	return s.us[min(int(q*float64(len(s.us))), len(s.us)-1)]
}

func work(opt asynq.RedisConnOpt) error {
	s := &seen{}
	server := asynq.NewServer(opt, asynq.Config{
		Concurrency: runners, Queues: map[string]int{queue: 1}, LogLevel: asynq.ErrorLevel})
	if err := server.Start(asynq.HandlerFunc(s.run)); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	<-stop
	server.Shutdown()
	sort.Slice(s.us, func(i, k int) bool { return s.us[i] < s.us[k] })
	fmt.Printf("LATENCY {\"count\":%d,\"p50_us\":%d,\"p99_us\":%d}\n", len(s.us), s.quantile(0.5), s.quantile(0.99))
	return nil
}

func main() {
	if len(os.Args) < 3 {
		log.Fatal("usage: asynq_peer enqueue URL JOBS [RATE] | asynq_peer work URL")
	}
	opt, err := asynq.ParseRedisURI(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	numbers := [2]int{}
	for i, text := range os.Args[3:min(len(os.Args), 5)] {
		if numbers[i], err = strconv.Atoi(text); err != nil {
			log.Fatal(err)
		}
	}
	if os.Args[1] == "work" {
		err = work(opt)
	} else {
		err = enqueue(opt, numbers[0], numbers[1])
	}
	if err != nil {
		log.Fatal(err)
	}
}
